# proto/*.proto become C by protoc-c and one embedded descriptor set, both in the build tree.
#   #include "proto/querier.pb-c.h"      messages            (library: proto)
#   #include "proto/descriptors.h"       proto_descriptors() the FileDescriptorSet, imports included
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
set(PROTO_OUT ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${PROTO_OUT}/proto)
file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/*.proto)
set(proto_sources)
foreach(file ${protos})
  get_filename_component(stem ${file} NAME_WE)
  add_custom_command(
    OUTPUT ${PROTO_OUT}/proto/${stem}.pb-c.c ${PROTO_OUT}/proto/${stem}.pb-c.h
    COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR} --c_out=${PROTO_OUT} proto/${stem}.proto
    DEPENDS ${protos} VERBATIM)
  list(APPEND proto_sources ${PROTO_OUT}/proto/${stem}.pb-c.c)
endforeach()
# protobuf's own file that reads the descriptor set.
find_path(PROTOC_INCLUDE google/protobuf/descriptor.proto REQUIRED)
foreach(stem google/protobuf/descriptor)
  add_custom_command(
    OUTPUT ${PROTO_OUT}/${stem}.pb-c.c ${PROTO_OUT}/${stem}.pb-c.h
    COMMAND ${PROTOC_C} --proto_path=${PROTOC_INCLUDE} --c_out=${PROTO_OUT} ${stem}.proto
    DEPENDS ${PROTOC_INCLUDE}/${stem}.proto VERBATIM)
  list(APPEND proto_sources ${PROTO_OUT}/${stem}.pb-c.c)
endforeach()
add_custom_command(
  OUTPUT ${PROTO_OUT}/proto/descriptors.binpb
  COMMAND ${PROTOC} --proto_path=${CMAKE_SOURCE_DIR} --include_imports
          --descriptor_set_out=${PROTO_OUT}/proto/descriptors.binpb ${protos}
  DEPENDS ${protos} VERBATIM)
set_source_files_properties(${CMAKE_SOURCE_DIR}/proto/descriptors.c PROPERTIES
  OBJECT_DEPENDS ${PROTO_OUT}/proto/descriptors.binpb
  COMPILE_DEFINITIONS DESCRIPTORS_FILE="${PROTO_OUT}/proto/descriptors.binpb")
add_library(proto STATIC ${proto_sources} ${CMAKE_SOURCE_DIR}/proto/descriptors.c)
set_source_files_properties(${proto_sources} PROPERTIES COMPILE_OPTIONS "-w")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/view/proto)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/base ${CMAKE_BINARY_DIR}/view/proto/base SYMBOLIC)
file(MAKE_DIRECTORY ${PROTO_OUT}/proto)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/proto/descriptors.h ${PROTO_OUT}/proto/descriptors.h SYMBOLIC)
target_include_directories(proto PUBLIC ${PROTO_OUT} PRIVATE ${CMAKE_BINARY_DIR}/view/proto)
target_link_libraries(proto PUBLIC protobuf_c)
