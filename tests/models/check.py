"""Holds a compiled model against the f32 oracle on the same weights.

usage: check.py greedy     --kvasir BIN --model X.kvasir
       check.py logits     --kvasir BIN --model X.kvasir --gguf X.gguf --tokens 64 --limit 2e-3
       check.py divergence --kvasir BIN --model X.kvasir --gguf X.gguf --tokens 256 --limit 0.004

greedy: 32 greedy ids after "Once upon a time" are those that f32 gives (oracle.py and transformers agree on them).
logits: the largest absolute difference of any logit of any of the first tokens of texts/prose.txt.
divergence: the mean over the tokens of KL(oracle || model), in nats.
"""
import argparse
import hashlib
import os
import subprocess
import sys
import tempfile

import numpy as np

import oracle

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = [6403, 1980, 253, 655]
CONTINUATION = [28, 260, 2240, 282, 23324, 27108, 436, 253, 15114, 39228, 28, 351, 25854, 41658, 284, 14055, 9018, 30,
                1249, 347, 260, 929, 3514, 411, 28, 260, 2240, 2585, 288, 5946, 624, 2798]


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("%s: exit code %d" % (" ".join(command), done.returncode))
    return done.stdout


def text_ids(args):
    ids = run(args.kvasir, "tokenize", args.model, "--ids", "-f", os.path.join(HERE, "texts/prose.txt"))
    ids = [int(i) for i in ids.replace(",", " ").split()][: args.tokens]
    if len(ids) < args.tokens:
        sys.exit("prose.txt has only %d tokens" % len(ids))
    return ids


def compiled_logits(args, ids):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "logits.npy")
        run(args.kvasir, "logits", args.model, "--ids", ",".join(map(str, ids)), "-o", path)
        return np.load(path)


def oracle_logits(path, ids):
    """The oracle's logits, kept beside the model since they take half a minute."""
    digest = hashlib.sha256(open(path, "rb").read())
    digest.update(open(oracle.__file__, "rb").read())
    digest.update(repr(ids).encode())
    kept = os.path.join(os.path.dirname(path), "oracle-%s.npy" % digest.hexdigest()[:16])
    if not os.path.exists(kept):
        np.save(kept + ".part.npy", oracle.logits(path, ids))
        os.rename(kept + ".part.npy", kept)
    return np.load(kept)


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def check_greedy(args):
    out = run(args.kvasir, "run", args.model, "--ids", ",".join(map(str, PROMPT)), "-n", "32", "--temp", "0", "--print",
              "ids")
    ids = [int(i) for i in out.replace(",", " ").split()]
    print("ids:", ids)
    return ids == CONTINUATION


def check_logits(args):
    ids = text_ids(args)
    difference = np.abs(compiled_logits(args, ids) - oracle_logits(args.gguf, ids)).max()
    print("largest difference of a logit: %.2e, limit %.2e" % (difference, args.limit))
    return difference <= args.limit


def check_divergence(args):
    ids = text_ids(args)
    p, q = log_softmax(oracle_logits(args.gguf, ids)), log_softmax(compiled_logits(args, ids))
    divergence = (np.exp(p) * (p - q)).sum(-1).mean()
    same = (p.argmax(-1) == q.argmax(-1)).mean()
    print("mean KL divergence %.6f, limit %.6f; same most likely token: %.1f %%" % (divergence, args.limit, 100 * same))
    return divergence <= args.limit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["greedy", "logits", "divergence"])
    parser.add_argument("--kvasir", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--gguf")
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--limit", type=float)
    args = parser.parse_args()
    sys.exit(0 if globals()["check_" + args.what](args) else 1)


if __name__ == "__main__":
    main()
