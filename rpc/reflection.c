/*
 * grpc.reflection: what is served, from the embedded descriptor set, so that grpcurl and the like need no .proto
 * files.  A stream of questions, each answered in its turn.  v1alpha is v1 under the name that older clients ask
 * first: the same messages on the wire, so both rows take v1's.
 */
#include "proto/reflection.pb-c.h"
#include "rpc/server_priv.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest  question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
typedef Grpc__Reflection__V1__FileDescriptorResponse   file_answer;
typedef Grpc__Reflection__V1__ListServiceResponse      list_answer;
typedef Grpc__Reflection__V1__ServiceResponse          service_answer;
typedef Grpc__Reflection__V1__ErrorResponse            error_answer;

#define ASKED(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define TOLD(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

static void say_error(struct call *c, answer *a, enum code code, const char *what, const char *name)
{
    error_answer *e = arena_alloc(call_arena(c), sizeof *e);

    grpc__reflection__v1__error_response__init(e);
    e->error_code = (int)code;
    e->error_message = (char *)arena_printf(call_arena(c), "%s: %s", what, name).p;
    a->message_response_case = TOLD(ERROR_RESPONSE);
    a->error_response = e;
}

static void say_services(struct call *c, answer *a)
{
    list_answer *l = arena_alloc(call_arena(c), sizeof *l);
    struct slice name;
    size_t       n = 0;

    grpc__reflection__v1__list_service_response__init(l);
    while (call_service(c, n).n > 0)
        n++;
    l->service = arena_array(call_arena(c), n, sizeof *l->service);
    for (; (name = call_service(c, l->n_service)).n > 0; l->n_service++) {
        service_answer *s = arena_alloc(call_arena(c), sizeof *s);
        grpc__reflection__v1__service_response__init(s);
        s->name = (char *)arena_copy(call_arena(c), name).p;
        l->service[l->n_service] = s;
    }
    a->message_response_case = TOLD(LIST_SERVICES_RESPONSE);
    a->list_services_response = l;
}

/* The file and all that it imports, each once; `order` grows while it is walked. */
static size_t with_imports(const struct schema *s, size_t file, size_t *order, bool *is_in)
{
    size_t n = 0, import;

    order[n++] = file;
    is_in[file] = true;
    for (size_t at = 0; at < n; at++)
        for (size_t i = 0; (import = schema_import(s, order[at], i)) < schema_files(s); i++)
            if (!is_in[import]) {
                is_in[import] = true;
                order[n++] = import;
            }
    return n;
}

static void say_file(struct call *c, answer *a, size_t file, const char *name)
{
    const struct schema *s = call_server(c)->schema;
    size_t               n_files = schema_files(s);

    if (file == n_files) {
        say_error(c, a, CODE_NOT_FOUND, "not found", name);
        return;
    }
    file_answer *f = arena_alloc(call_arena(c), sizeof *f);
    size_t      *order = arena_array(call_arena(c), n_files, sizeof *order);
    size_t       n = with_imports(s, file, order, arena_zalloc(call_arena(c), n_files));
    grpc__reflection__v1__file_descriptor_response__init(f);
    f->file_descriptor_proto = arena_array(call_arena(c), n, sizeof *f->file_descriptor_proto);
    for (; f->n_file_descriptor_proto < n; f->n_file_descriptor_proto++) {
        struct slice bytes = schema_file_bytes(s, order[f->n_file_descriptor_proto]);
        f->file_descriptor_proto[f->n_file_descriptor_proto] = (ProtobufCBinaryData){ bytes.n, (uint8_t *)bytes.p };
    }
    a->message_response_case = TOLD(FILE_DESCRIPTOR_RESPONSE);
    a->file_descriptor_response = f;
}

static void info(struct call *c, const ProtobufCMessage *request)
{
    question            *q = (question *)request;
    const struct schema *s = call_server(c)->schema;
    answer               a = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

    if (q == NULL) {
        call_close(c);
        return;
    }
    a.valid_host = q->host;
    a.original_request = q;
    switch (q->message_request_case) {
    case ASKED(LIST_SERVICES):
        say_services(c, &a);
        break;
    case ASKED(FILE_BY_FILENAME):
        say_file(c, &a, schema_file_named(s, slice_of(q->file_by_filename)), q->file_by_filename);
        break;
    case ASKED(FILE_CONTAINING_SYMBOL):
        say_file(c, &a, schema_file_of(s, slice_of(q->file_containing_symbol)), q->file_containing_symbol);
        break;
    case ASKED(FILE_CONTAINING_EXTENSION):
        say_error(c, &a, CODE_NOT_FOUND, "no extensions", q->file_containing_extension->containing_type);
        break;
    case ASKED(ALL_EXTENSION_NUMBERS_OF_TYPE):
        say_error(c, &a, CODE_NOT_FOUND, "no extensions", q->all_extension_numbers_of_type);
        break;
    default:
        say_error(c, &a, CODE_INVALID_ARGUMENT, "a question that asks nothing", "");
    }
    call_send(c, &a.base);
    call_next(c);
}

enum { QUESTION_BYTES_MAX = 64 << 10 };

const struct method *reflection_methods(size_t *n)
{
    static const struct method methods[] = {
        { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
          &grpc__reflection__v1__server_reflection_request__descriptor,
          &grpc__reflection__v1__server_reflection_response__descriptor, LANE_INLINE, QUESTION_BYTES_MAX, info, NULL },
        { "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
          &grpc__reflection__v1__server_reflection_request__descriptor,
          &grpc__reflection__v1__server_reflection_response__descriptor, LANE_INLINE, QUESTION_BYTES_MAX, info, NULL },
    };
    *n = sizeof methods / sizeof methods[0];
    return methods;
}
