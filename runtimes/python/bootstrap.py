# The Python runtime's entry point: `python3 -S /var/runtime/bootstrap.py FD [wait]`, FD being the
# frames socket (docs/PROTOCOL.md, section 1).
#
# Python compiles its main script anew on every start and caches only imported modules, so this file
# does nothing but import the one with the work in it.
if __name__ == "__main__":  # not so in children of multiprocessing's "spawn", which load it again
    import sys

    import _lambent_runtime

    _lambent_runtime.main(int(sys.argv[1]), wait=sys.argv[2:] == ["wait"])
