#!/bin/sh
# An environment of its own for each simulator that brainsim is measured against:
#     sh benchmarks/peers/make_env.sh [PYTHON] [FOLDER] [PYTHON FOR TORCH]     default: python3.13, .peers/ and python3.11
# Brian2 2.11 and brainevent 0.3 need Python 3.13 and 3.12; a C++ compiler is needed for Brian2. snnTorch and SpikingJelly
# are installed without what they name, which would bring PyTorch for CUDA. Made once: a folder that is there is left alone.
set -eu
python=${1:-python3.13}
folder=${2:-.peers}
torch_python=${3:-python3.11}

make_env() { # name, packages
    name=$1
    shift
    if [ -e "$folder/$name/ready" ]; then return; fi
    "$python" -m venv "$folder/$name"
    "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    touch "$folder/$name/ready"
    echo "$folder/$name: $*"
}

make_env brian2 brian2==2.11.0
make_env brainevent brainevent==0.3.0 brainpy==2.9.0 brainstate==0.6.0 numba

if [ ! -e "$folder/snntorch/ready" ]; then
    "$torch_python" -m venv "$folder/snntorch"
    pip="$folder/snntorch/bin/python -m pip install --quiet --disable-pip-version-check"
    $pip torch==2.13.0 numpy scipy matplotlib tqdm loguru
    $pip --no-deps snntorch==1.0.0 spikingjelly==2.0.0
    touch "$folder/snntorch/ready"
fi
