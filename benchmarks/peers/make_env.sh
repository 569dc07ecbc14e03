#!/bin/sh
# An environment of its own for each simulator that brainsim is measured against:
#     sh benchmarks/peers/make_env.sh [PYTHON] [FOLDER] [PYTHON FOR TORCH] [NAME ...]
# Default: python3.13, .peers/, python3.11 and all names. Or: make peers PEERS_PYTHON=python3.13 PEERS_TORCH_PYTHON=python3.11.
# Brian2 2.11 and brainevent 0.3 need Python 3.13 and 3.12; a C++ compiler is needed for Brian2. The three on PyTorch share
# it, and are installed without what they name, which would bring PyTorch for CUDA. An environment that is there is left
# alone; one that cannot be made is told, with pip's reason in FOLDER/NAME/failed, and the next is tried.
set -u
python=${1:-python3.13}
folder=${2:-.peers}
torch_python=${3:-python3.11}
[ $# -gt 3 ] && shift 3 && only=" $* " || only=""
failures=""

make_env() { # name, interpreter, packages; then, after "--", those without what they name
    name=$1 interpreter=$2 with="" without=""
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do with="$with $1" && shift; done
    [ $# -gt 0 ] && shift && without="$*"
    if [ -e "$folder/$name/ready" ]; then return; fi
    case "${only:-" $name "}" in *" $name "*) ;; *) return ;; esac
    echo "$folder/$name:$with $without"
    rm -rf "${folder:?}/$name" && mkdir -p "$folder/$name"
    if fill "$folder/$name" "$interpreter" >"$folder/$name.log" 2>&1; then
        touch "$folder/$name/ready"
    else
        grep -m 1 -E "ERROR|rror:|not found" "$folder/$name.log" >"$folder/$name/failed" ||
            echo "see $folder/$name.log" >"$folder/$name/failed"
        failures="$failures $name"
    fi
}

fill() { # folder, interpreter; the packages are in $with and $without
    "$2" -m venv "$1" || return
    pip="$1/bin/python -m pip install --quiet --disable-pip-version-check"
    $pip $with || return
    if [ -n "$without" ]; then $pip --no-deps $without || return; fi
}

make_env brian2 "$python" brian2==2.11.0
make_env nest "$python" nest-simulator==3.10.0 numpy==2.5.5
make_env brainevent "$python" brainevent==0.3.0 brainpy==2.9.0 brainstate==0.6.0 braintools==0.4.0 numba==0.68.1
make_env torch "$torch_python" torch==2.13.0 numpy==2.4.6 scipy==1.17.1 matplotlib==3.11.2 tqdm==4.70.1 loguru==0.7.3 nir==1.0.8 nirtorch==2.6 -- snntorch==1.0.0 spikingjelly==2.0.0 norse==1.1.0
make_env spyx "$python" spyx==1.0.0

for name in $failures; do echo "$folder/$name could not be made: $(cat "$folder/$name/failed")" >&2; done
