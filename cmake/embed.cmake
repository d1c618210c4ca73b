# embed_presets(TARGET FILES...): YAML files become part of a program, under their names without the ending.
function(embed_presets target)
  set(asm "")
  set(rows "")
  set(names "")
  list(LENGTH ARGN n)
  set(i 0)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME_WE)
    string(APPEND asm "__asm__(\".section .rodata\\npreset_${i}:\\n.incbin \\\"${file}\\\"\\npreset_${i}_end:\\n.previous\\n\");\n")
    string(APPEND names "extern const char preset_${i}[], preset_${i}_end[];\n")
    string(APPEND rows "    { \"${name}\", preset_${i}, preset_${i}_end },\n")
    math(EXPR i "${i} + 1")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${target}_presets.c)
  file(CONFIGURE OUTPUT ${out} CONTENT "#include \"loadtest/settings.h\"

${asm}
${names}
const struct preset presets[] = {
${rows}};
const unsigned n_presets = ${n};
" @ONLY)
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS "${ARGN}" INCLUDE_DIRECTORIES ${CMAKE_BINARY_DIR}/view/loadtest)
  target_sources(${target} PRIVATE ${out})
endfunction()
