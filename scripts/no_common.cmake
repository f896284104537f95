# Read by CMake right after llama.cpp's project() call (CMAKE_PROJECT_llama.cpp_INCLUDE).
# llama.cpp's `common` library serves its command-line programs; the Python package never loads it, and it is
# 53 of the 127 objects that the build would compile.
set(LLAMA_BUILD_COMMON OFF)
