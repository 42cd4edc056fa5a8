"""A guest as a Python vendor writes one: componentize-py and its bundled CPython, nothing of this project."""
import os
import random
import sys
import time

from wit_world import exports
from wit_world.exports import api
from componentize_py_types import Err


class Api(exports.Api):
    def echo(self, text):
        return text[::-1]

    def sum(self, numbers):
        return sum(numbers)

    def area(self, shape, marks, mood):
        if isinstance(shape, api.Shape_Circle):
            return api.Point(shape.value ** 2 * 3.14159, float(marks.value), str(mood))
        if isinstance(shape, api.Shape_Polygon):
            return shape.value[0]
        raise Err("nothing has no area")

    def now(self):
        return int(time.time())

    def random(self):
        return random.getrandbits(64)

    def environment(self):
        return [f"{k}={v}" for k, v in os.environ.items()] + list(sys.argv)

    def print(self, text, times):
        for _ in range(times):
            print(text)
        print("done", file=sys.stderr)

    def read_file(self, path):
        try:
            with open(path) as file:
                return file.read()
        except OSError as error:
            raise Err(str(error))

    def nap(self, ms):
        before = time.monotonic()
        time.sleep(ms / 1000)
        return int((time.monotonic() - before) * 1000)

    def grow(self, bytes):
        return len(bytearray(bytes))

    def crash(self):
        raise ValueError("on purpose")

    def quit(self, code):
        sys.exit(code)
