# SPDX-License-Identifier: Apache-2.0
# find_package(yoda_payload): the target yoda::payload, found by the place of this file.
get_filename_component(yoda_payload_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET yoda::payload)
  add_library(yoda::payload STATIC IMPORTED)
  set_target_properties(yoda::payload PROPERTIES
    IMPORTED_LOCATION "${yoda_payload_prefix}/lib/libyoda_payload.a"
    INTERFACE_INCLUDE_DIRECTORIES "${yoda_payload_prefix}/include"
    INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
