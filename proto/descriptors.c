#include "proto/descriptors.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        "proto_descriptors_begin:\n"
        ".incbin \"" DESCRIPTORS_FILE "\"\n"
        "proto_descriptors_end:\n"
        ".previous\n");

extern const uint8_t proto_descriptors_begin[], proto_descriptors_end[];

const uint8_t *proto_descriptors(size_t *n)
{
    *n = (size_t)(proto_descriptors_end - proto_descriptors_begin);
    return proto_descriptors_begin;
}
