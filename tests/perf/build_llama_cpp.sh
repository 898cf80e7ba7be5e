#!/usr/bin/env bash
# Builds llama.cpp, the peer, into DIR from the sources that llama-cpp-python ships (about 5 minutes on two cores).
set -euo pipefail
dir=${1:?usage: build_llama_cpp.sh DIR}
version=0.3.36
[[ -x $dir/build/bin/llama-quantize ]] && exit 0
mkdir -p "$dir"
python3 -m pip -q --disable-pip-version-check download --no-deps --no-binary :all: llama-cpp-python==$version -d "$dir"
tar xzf "$dir/llama_cpp_python-$version.tar.gz" -C "$dir" --strip-components=3 \
  "llama_cpp_python-$version/vendor/llama.cpp"
cmake -S "$dir" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF \
  -DGGML_NATIVE=ON >"$dir/cmake.log"
ninja -C "$dir/build" llama-batched-bench llama-bench llama-completion llama-quantize llama-tokenize >"$dir/ninja.log"
