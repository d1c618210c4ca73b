/*
 * The descriptor set of every .proto here, imports included: a serialised google.protobuf.FileDescriptorSet made by protoc at
 * build time.  protobuf-c's own descriptors lack JSON names, idempotency and stream kinds; JSON, reflection and the
 * service table read them from here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Static storage; *n receives its size in bytes. */
const uint8_t *proto_descriptors(size_t *n);
