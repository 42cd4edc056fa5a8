"""Runs exports of a core module in wasmtime, without fuel and with, and says how long each call took.

Started as `python serve.py <module.wasm>`; reads lines `<plain|fuel> <export> <argument>`, writes one JSON object each.
"""
import json
import sys
import time
from importlib.metadata import version

from wasmtime import Config, Engine, Instance, Module, Store

FUEL = 2**62


def open_instance(path, fuel):
    config = Config()
    config.consume_fuel = fuel
    engine = Engine(config)
    store = Store(engine)
    if fuel:
        store.set_fuel(FUEL)
    return store, Instance(store, Module.from_file(engine, path), []).exports(store)


ways = {"plain": open_instance(sys.argv[1], False), "fuel": open_instance(sys.argv[1], True)}
print(json.dumps({"version": version("wasmtime")}), flush=True)
for line in sys.stdin:
    way, name, argument = line.split()
    store, exports = ways[way]
    function = exports[name]
    before = time.perf_counter()
    result = function(store, int(argument))
    ms = (time.perf_counter() - before) * 1000
    if way == "fuel":
        store.set_fuel(FUEL)
    print(json.dumps({"ms": ms, "result": result}), flush=True)
