# What the rooms link, each under the short name that room() lines use.  Debian's packages, nothing vendored.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(package name module)
  pkg_check_modules(PKG_${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
  add_library(${name} INTERFACE)
  target_link_libraries(${name} INTERFACE PkgConfig::PKG_${name})
endfunction()

package(nghttp2 libnghttp2)
package(uv libuv)
package(crypto libcrypto)
package(ssl libssl)
package(protobuf_c libprotobuf-c)
package(yaml yaml-0.1)
package(isal libisal)
package(deflate libdeflate)
package(zstd libzstd)
package(xxhash libxxhash)
package(pcre2 libpcre2-8)
package(jansson jansson)
package(elf libelf)

add_library(threads INTERFACE)
target_link_libraries(threads INTERFACE Threads::Threads m)

# arm64 wants a newer CK than Debian 12 has (docs/decisions/003-ck.md): name its root here.
set(CK_ROOT "" CACHE PATH "an installed Concurrency Kit to use instead of the system's")
add_library(ck INTERFACE)
if(CK_ROOT)
  target_include_directories(ck SYSTEM INTERFACE ${CK_ROOT}/include)
  target_link_libraries(ck INTERFACE ${CK_ROOT}/lib/libck.a)
else()
  package(ck_system ck)
  target_link_libraries(ck INTERFACE ck_system)
endif()

# jemalloc serves the programs; the sanitizers bring an allocator of their own.
add_library(allocator INTERFACE)
if(NOT CMAKE_C_FLAGS MATCHES "fsanitize")
  package(jemalloc jemalloc)
  target_link_libraries(allocator INTERFACE jemalloc)
endif()
