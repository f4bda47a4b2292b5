# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` and `cpack` make of a build. All of it is relocatable: programs find the rest by the folder they
# are in. Components are Debian's packages: yoda, yoda-dev, python3-yoda-event-service, yoda-payloads.
include(GNUInstallDirs)
set(YODA_PYTHON_DIR lib/python3/dist-packages CACHE STRING "Where Python modules go, below the prefix")
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME yoda)
set(share ${CMAKE_INSTALL_DATADIR}/yoda)

# ---- yoda: programs, plug-in, job scripts, settings, documents
install(TARGETS yoda RUNTIME COMPONENT yoda)
if(TARGET harvest)
  install(TARGETS harvest RUNTIME COMPONENT yoda)
endif()
if(TARGET yoda_xrootd)
  install(TARGETS yoda_xrootd LIBRARY DESTINATION lib/yoda COMPONENT yoda)
endif()
install(DIRECTORY jobscripts DESTINATION ${share} USE_SOURCE_PERMISSIONS COMPONENT yoda)
install(DIRECTORY config/sites config/payloads DESTINATION ${share} COMPONENT yoda
        PATTERN shower.cfg EXCLUDE PATTERN durham.cfg EXCLUDE PATTERN jets.cfg EXCLUDE
        # Their programs are examples (yoda-dev) and are not installed.
        PATTERN line_lengths*.cfg EXCLUDE PATTERN noop_payload*.cfg EXCLUDE)
install(FILES config/yoda.cfg DESTINATION ${share} COMPONENT yoda)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT yoda)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT yoda)
file(GLOB licences LIST_DIRECTORIES false LICENSE NOTICE LICENSES/*)
set(components yoda yoda-dev python3-yoda-event-service)
if(TARGET generate_events OR TARGET shower OR TARGET jets)
  list(APPEND components yoda-payloads)
endif()
foreach(component IN LISTS components)
  install(FILES ${licences} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component}/licences COMPONENT ${component})
  # Debian's place for who wrote what under which licence.
  install(FILES NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component} RENAME copyright COMPONENT ${component})
endforeach()

# ---- yoda-dev: the payload kit for C++, by find_package(yoda_payload) or pkg-config
include(CMakePackageConfigHelpers)
install(TARGETS yoda_payload ARCHIVE DESTINATION lib COMPONENT yoda-dev)
install(FILES src/payload/yoda_payload.hpp DESTINATION include/payload COMPONENT yoda-dev)
configure_file(packaging/cmake/yoda_payload.pc.in packaging/yoda_payload.pc @ONLY)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/packaging/yoda_payloadConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES packaging/cmake/yoda_payloadConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/packaging/yoda_payloadConfigVersion.cmake
        DESTINATION lib/cmake/yoda_payload COMPONENT yoda-dev)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/packaging/yoda_payload.pc DESTINATION lib/pkgconfig COMPONENT yoda-dev)
install(DIRECTORY src/payload/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/yoda-dev COMPONENT yoda-dev)

# ---- python3-yoda-event-service: the payload kit for Python
install(FILES src/payload/yoda_payload.py DESTINATION ${YODA_PYTHON_DIR} COMPONENT python3-yoda-event-service)

# ---- yoda-payloads: the sample physics payloads; their binaries are under the GPL (NOTICE)
set(sample_payloads)
foreach(payload IN ITEMS generate_events shower jets)
  if(TARGET ${payload})
    list(APPEND sample_payloads ${payload})
  endif()
endforeach()
if(sample_payloads)
  install(TARGETS ${sample_payloads} RUNTIME COMPONENT yoda-payloads)
  install(FILES config/payloads/shower.cfg config/payloads/durham.cfg config/payloads/jets.cfg
          DESTINATION ${share}/payloads COMPONENT yoda-payloads)
endif()

# ---- cpack -G DEB
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME yoda)
set(CPACK_PACKAGE_VENDOR "the Yoda developers")
set(CPACK_PACKAGE_CONTACT "the Yoda developers")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_DEBIAN_YODA_PACKAGE_NAME yoda)
set(CPACK_DEBIAN_YODA_PACKAGE_RECOMMENDS openmpi-bin)
set(CPACK_COMPONENT_YODA_DESCRIPTION "Event Service for supercomputers: yoda (the MPI job) and harvest (the login node)")
set(CPACK_DEBIAN_YODA-DEV_PACKAGE_NAME yoda-dev)
set(CPACK_COMPONENT_YODA-DEV_DESCRIPTION "Payload kit of the Yoda Event Service for C++")
set(CPACK_DEBIAN_PYTHON3-YODA-EVENT-SERVICE_PACKAGE_NAME python3-yoda-event-service)
set(CPACK_DEBIAN_PYTHON3-YODA-EVENT-SERVICE_PACKAGE_DEPENDS python3)
set(CPACK_DEBIAN_PYTHON3-YODA-EVENT-SERVICE_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_PYTHON3-YODA-EVENT-SERVICE_DESCRIPTION "Payload kit of the Yoda Event Service for Python")
set(CPACK_DEBIAN_YODA-PAYLOADS_PACKAGE_NAME yoda-payloads)
set(CPACK_COMPONENT_YODA-PAYLOADS_DESCRIPTION "Sample physics payloads of the Yoda Event Service (GPL-3.0-or-later)")
include(CPack)
