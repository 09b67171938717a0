# One static library per source folder, one test binary per library, one fuzz target per *_fuzz.cpp.

add_library(milena_options INTERFACE)
target_include_directories(milena_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
target_compile_options(milena_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 at -O2 sees Asio's coroutine frames freed by another function than it thinks they came from.
  target_compile_options(milena_options INTERFACE -Wno-mismatched-new-delete)
endif()
target_compile_definitions(milena_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
target_link_libraries(milena_options INTERFACE Threads::Threads fmt::fmt Boost::headers)
if(MILENA_SANITIZE)
  target_compile_options(milena_options INTERFACE -fsanitize=${MILENA_SANITIZE})
  target_link_options(milena_options INTERFACE -fsanitize=${MILENA_SANITIZE})
  if(MILENA_SANITIZE MATCHES "thread")
    target_compile_definitions(milena_options INTERFACE MILENA_THREAD_SANITIZER)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # Asio's fences; TSan sees the atomics and mutexes around them. And g++ 12 loses track of std::optional's flag and of the
      # size of strings (out of a precompiled header) in instrumented code: here warnings are no errors, in all other builds they are.
      target_compile_options(milena_options INTERFACE -Wno-tsan -Wno-maybe-uninitialized -Wno-array-bounds -Wno-error)
    endif()
  endif()
  if(MILENA_SANITIZE MATCHES "undefined")
    target_compile_options(milena_options INTERFACE -fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # What clang 14 puts before functions for this check doesn't assemble for coroutines.
      target_compile_options(milena_options INTERFACE -fno-sanitize=function)
    endif()
  endif()
endif()
# What guides a fuzzer counts and compares in every branch: for libraries only, it is a quarter of what tests take to build.
set(milena_fuzz_guidance $<$<BOOL:${MILENA_FUZZ}>:-fsanitize=fuzzer-no-link>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Left alone, g++ looks for garbage from 128 MiB on: 5 % of its time, for memory that a machine that builds this has.
  target_compile_options(milena_options INTERFACE "SHELL:--param ggc-min-heapsize=524288")
endif()

# The headers that nearly everything includes, parsed once for all libraries and once for all tests. They are a matter of build
# time alone: every file still includes what it uses. Libraries of a release build go without: g++ 12 at -O2 warns wrongly of what
# comes out of a precompiled std::string. Test code isn't optimised: half of its build time would be the optimiser.
set(milena_test_options -O0)
set(milena_common_headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <deque> <filesystem>
  <functional> <limits> <map> <memory> <mutex> <optional> <set> <span> <stdexcept> <string> <string_view> <thread>
  <unordered_map> <utility> <variant> <vector> <fmt/format.h> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>
  <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp> <boost/asio/post.hpp> <boost/asio/steady_timer.hpp>
  <boost/asio/use_awaitable.hpp> <boost/system/result.hpp>)
# Flags must be those of the precompiled headers; the last ones let ccache see through them.
add_library(milena_precompiled_options INTERFACE)
target_compile_options(milena_precompiled_options INTERFACE -pthread
  $<IF:$<CXX_COMPILER_ID:GNU>,-fpch-preprocess,SHELL:-Xclang -fno-pch-timestamp>)

# milena_precompiled_headers(name LINK a b … HEADERS h i …): a target whose precompiled headers others use.
function(milena_precompiled_headers name)
  cmake_parse_arguments(arg "" "" "LINK;HEADERS" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
  target_link_libraries(${name} PRIVATE milena_options milena_precompiled_options ${arg_LINK})
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  milena_precompiled_headers(milena_precompiled HEADERS ${milena_common_headers})
  target_compile_options(milena_precompiled PRIVATE ${milena_fuzz_guidance})
endif()
milena_precompiled_headers(milena_precompiled_test LINK GTest::gmock GTest::gtest
  HEADERS ${milena_common_headers} <gmock/gmock.h> <gtest/gtest.h>)
target_compile_options(milena_precompiled_test PRIVATE ${milena_test_options})

# milena_generate(name language schema_folder): a target that makes C++ from schema files into build/<preset>/generated,
# again whenever a schema or the generator has changed. Files that come out the same keep their time. The paths of the
# .cpp files among them are left in the variable <name>_SOURCES.
function(milena_generate name language schemas)
  set(generator ${PROJECT_SOURCE_DIR}/src/protocol/generator)
  file(GLOB generator_files CONFIGURE_DEPENDS ${generator}/*.py)
  file(GLOB_RECURSE schema_files CONFIGURE_DEPENDS ${schemas}/*.schema)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${generator_files})
  execute_process(COMMAND ${Python3_EXECUTABLE} ${generator}/generate.py --list ${language} ${schemas}
    OUTPUT_VARIABLE outputs COMMAND_ERROR_IS_FATAL ANY)
  list(TRANSFORM outputs PREPEND ${PROJECT_BINARY_DIR}/generated/)
  add_custom_command(OUTPUT ${outputs}
    COMMAND ${Python3_EXECUTABLE} ${generator}/generate.py ${language} ${schemas} ${PROJECT_BINARY_DIR}/generated
    DEPENDS ${generator_files} ${schema_files} COMMENT "Generating ${name}" VERBATIM)
  add_custom_target(${name} DEPENDS ${outputs})
  list(FILTER outputs INCLUDE REGEX "\\.cpp$")
  set(${name}_SOURCES ${outputs} PARENT_SCOPE)
endfunction()

# milena_library(name DEPENDS a b …) takes every .cpp of the current folder (not of its sub-folders). Files
# named x_test.cpp go into the test binary <name>_test, x_fuzz.cpp each become the fuzz target <x>_fuzz. GENERATED names
# a target of milena_generate that must run before.
function(milena_library name)
  cmake_parse_arguments(arg "" "" "DEPENDS;TEST_DEPENDS;EXTRA_SOURCES;GENERATED" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
  if(sources OR arg_EXTRA_SOURCES)
    add_library(${name} STATIC ${sources} ${arg_EXTRA_SOURCES})
    target_link_libraries(${name} PUBLIC milena_options ${arg_DEPENDS})
    target_compile_options(${name} PRIVATE ${milena_fuzz_guidance})
    if(TARGET milena_precompiled)
      target_link_libraries(${name} PRIVATE milena_precompiled_options)
      target_precompile_headers(${name} REUSE_FROM milena_precompiled)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE milena_options ${arg_DEPENDS})
  endif()
  if(arg_GENERATED)
    add_dependencies(${name} ${arg_GENERATED})
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${arg_TEST_DEPENDS} GTest::gmock GTest::gtest GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${milena_test_options})
    target_link_libraries(${name}_test PRIVATE milena_precompiled_options)
    target_precompile_headers(${name}_test REUSE_FROM milena_precompiled_test)
    foreach(test ${tests})  # only where it is used: the path of the checkout would keep ccache from sharing objects
      file(STRINGS ${test} uses REGEX "MILENA_SOURCE_DIR|testing/golden.h" LIMIT_COUNT 1)
      if(uses)
        set_property(SOURCE ${test} APPEND PROPERTY COMPILE_DEFINITIONS MILENA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
      endif()
    endforeach()
    add_test(NAME ${name}_test COMMAND ${name}_test)
  endif()
  if(MILENA_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(fuzzer_name ${fuzzer} NAME_WE)
      add_executable(${fuzzer_name} ${fuzzer})
      target_link_libraries(${fuzzer_name} PRIVATE ${name} ${arg_TEST_DEPENDS})
      target_compile_options(${fuzzer_name} PRIVATE ${milena_fuzz_guidance})
      target_link_options(${fuzzer_name} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
