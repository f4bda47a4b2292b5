# One library per layer (docs/architecture.md): yoda_add_layer(core LIBRARIES fmt::fmt)
# takes every .cpp of the calling folder; headers are included as "core/result.hpp".

add_library(yoda_options INTERFACE)
target_compile_options(yoda_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wswitch-enum
  # g++ 12 sees overlaps in std::string's assignment that are none (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<BOOL:${YODA_WERROR}>:-Werror>)
if(YODA_SANITIZE)
  target_compile_options(yoda_options INTERFACE -fsanitize=${YODA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(yoda_options INTERFACE -fsanitize=${YODA_SANITIZE})
endif()
target_include_directories(yoda_options INTERFACE ${CMAKE_SOURCE_DIR}/src)

# CMake's Release adds -DNDEBUG; our own assertions (core/check.hpp) do not look at it.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

function(yoda_add_layer name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "/${pattern}$")
  endforeach()
  add_library(yoda_${name} STATIC ${sources})
  target_link_libraries(yoda_${name} PUBLIC yoda_options ${ARG_LIBRARIES})
endfunction()
