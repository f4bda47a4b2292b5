# SPDX-License-Identifier: Apache-2.0
# One library per layer (docs/architecture.md): yoda_add_layer(core LIBRARIES fmt::fmt)
# takes every .cpp of the calling folder and of the two levels below it, but for what EXCLUDE names (regular
# expressions of paths from there); headers are included as "core/base/result.hpp".

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

# The release's own flags stand in front of the user's: what is given in CMAKE_<LANG>_FLAGS or
# CMAKE_<LANG>_FLAGS_RELEASE wins. Our assertions (core/base/check.hpp) do not look at NDEBUG. Sections that nothing refers
# to are left out by the linker.
foreach(language IN ITEMS C CXX)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set(CMAKE_${language}_FLAGS "-O2 -g0 -ffunction-sections -fdata-sections ${CMAKE_${language}_FLAGS}")
    if("${CMAKE_${language}_FLAGS_RELEASE}" STREQUAL "-O3 -DNDEBUG")  # CMake's default, not the user's choice
      set(CMAKE_${language}_FLAGS_RELEASE "")
    endif()
  endif()
endforeach()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_link_options(-Wl,--gc-sections -Wl,--as-needed)
endif()

function(yoda_add_layer name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
    ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*/*/*.cpp)
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "^${pattern}$")
  endforeach()
  add_library(yoda_${name} STATIC ${sources})
  target_link_libraries(yoda_${name} PUBLIC yoda_options ${ARG_LIBRARIES})
endfunction()
