# proto_set(NAME FOLDER [ON SET] [IMPORTED STEMS...])
#
# FOLDER/*.proto become a library NAME of C messages by protoc-c and one embedded descriptor set, both in the build tree.
#   #include "FOLDER/x.pb-c.h"        messages
#   #include "FOLDER/descriptors.h"   NAME_descriptors(): the FileDescriptorSet, imports included
# ON another set: its messages may be imported, and its files are in the descriptor set too, so that one schema serves both.
# IMPORTED: files that protoc brings, by their name without ".proto"; treated like those of the folder.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTOC_INCLUDE google/protobuf/descriptor.proto REQUIRED)
set(PROTO_OUT ${CMAKE_BINARY_DIR}/generated)

function(proto_set name folder)
  cmake_parse_arguments(P "" "ON" "IMPORTED" ${ARGN})
  set(from --proto_path=${CMAKE_SOURCE_DIR} --proto_path=${PROTOC_INCLUDE})
  file(GLOB protos CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${folder}/*.proto)
  list(TRANSFORM P_IMPORTED APPEND .proto)
  list(APPEND protos ${P_IMPORTED})
  set(all ${protos})
  if(P_ON)
    get_target_property(below ${P_ON} PROTO_FILES)
    list(APPEND all ${below})
  endif()
  set(own ${all})
  list(FILTER own EXCLUDE REGEX "^google/protobuf/")
  list(TRANSFORM own PREPEND ${CMAKE_SOURCE_DIR}/)

  foreach(file ${protos})
    string(REGEX REPLACE "\\.proto$" ".pb-c" stem ${file})
    add_custom_command(OUTPUT ${PROTO_OUT}/${stem}.c ${PROTO_OUT}/${stem}.h
      COMMAND ${PROTOC_C} ${from} --c_out=${PROTO_OUT} ${file} DEPENDS ${own} VERBATIM)
    list(APPEND sources ${PROTO_OUT}/${stem}.c)
  endforeach()
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "-w")

  set(set ${PROTO_OUT}/${folder}/descriptors.binpb)
  add_custom_command(OUTPUT ${set}
    COMMAND ${PROTOC} ${from} --include_imports --descriptor_set_out=${set} ${all} DEPENDS ${own} VERBATIM)
  foreach(kind c h)
    configure_file(${CMAKE_SOURCE_DIR}/cmake/descriptors.${kind}.in ${PROTO_OUT}/${folder}/descriptors.${kind} @ONLY)
  endforeach()
  set_source_files_properties(${PROTO_OUT}/${folder}/descriptors.c PROPERTIES OBJECT_DEPENDS ${set})

  add_library(${name} STATIC ${sources} ${PROTO_OUT}/${folder}/descriptors.c)
  set_target_properties(${name} PROPERTIES PROTO_FILES "${all}")
  target_include_directories(${name} PUBLIC ${PROTO_OUT})
  target_link_libraries(${name} PUBLIC protobuf_c ${P_ON})
endfunction()
