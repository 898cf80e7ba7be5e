"""kvasir.h for tests: models, states and calls, by ctypes."""
import ctypes
import json

import numpy as np

ELEMENTS = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int8): 3, np.dtype(np.int32): 8,
            np.dtype(np.int64): 9}
TYPES = {number: dtype for dtype, number in ELEMENTS.items()}
WANTED = {"last": 0, "all": 1, "none": 2}
WISHES = {"automatic": 0, "opaque": 1}
FORMS = ["single", "raised", "opaque"]


class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("bytes", ctypes.c_void_p), ("size_bytes", ctypes.c_uint64),
                ("element", ctypes.c_uint32), ("rank", ctypes.c_uint32), ("dims", ctypes.c_uint64 * 8)]


class CallOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("wanted", ctypes.c_uint32), ("cancel", ctypes.c_void_p),
                ("audit", ctypes.c_void_p), ("form", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class ModelOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_uint32), ("pinning", ctypes.c_uint32),
                ("unverified", ctypes.c_uint32)]


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Model:
    def __init__(self, library, path, takes_unverified=False):
        options = ModelOptions(ctypes.sizeof(ModelOptions), 0, 0, takes_unverified)
        self.library = ctypes.CDLL(library)
        self.library.kvasir_result_tensor.restype = Tensor
        for name in ("kvasir_result_count", "kvasir_state_length"):
            getattr(self.library, name).restype = ctypes.c_uint64
        for name in ("kvasir_model_description", "kvasir_result_reason", "kvasir_audit_finding"):
            getattr(self.library, name).restype = ctypes.c_char_p
        self.library.kvasir_audit_num_findings.restype = ctypes.c_uint64
        self.library.kvasir_cancel_make.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p()
        self.run("kvasir_model_open", path.encode(), ctypes.byref(options), ctypes.byref(self.handle))
        self.description = json.loads(self.library.kvasir_model_description(self.handle))

    def run(self, name, *arguments):
        message = ctypes.create_string_buffer(512)
        status = getattr(self.library, name)(*arguments, message, ctypes.c_size_t(len(message)))
        if status:
            raise Refused(status, message.value.decode())

    def slot(self, name):
        return next(slot for slot in self.description["slots"] if slot["name"] == name)

    def state(self):
        return State(self)

    def load(self, path):
        handle = ctypes.c_void_p()
        self.run("kvasir_state_load", self.handle, path.encode(), None, ctypes.byref(handle))
        return State(self, handle)

    def call(self, function, states, inputs, counts=None, wanted="all", wish="automatic", cancel=None, audit=None):
        """Outputs by name; `form` and `reason` are then the call's. `inputs` are arrays by name; `counts` are the new tokens
        of each state."""
        kept = {name: np.asarray(array, order="C") for name, array in inputs.items()}
        tensors = (Tensor * max(1, len(kept)))()
        for tensor, (name, array) in zip(tensors, kept.items()):
            tensor.name, tensor.bytes, tensor.size_bytes = name.encode(), array.ctypes.data, array.nbytes
            tensor.element, tensor.rank = ELEMENTS[array.dtype], array.ndim
            tensor.dims[:array.ndim] = array.shape
        handles = (ctypes.c_void_p * len(states))(*(state.handle for state in states))
        numbers = (ctypes.c_uint64 * len(states))(*counts) if counts else None
        options = CallOptions(ctypes.sizeof(CallOptions), WANTED[wanted], cancel, audit, WISHES[wish], 0)
        result = ctypes.c_void_p()
        self.run("kvasir_call", self.handle, function.encode(), handles, numbers, ctypes.c_uint64(len(states)), tensors,
                 ctypes.c_uint64(len(kept)), ctypes.byref(options), ctypes.byref(result))
        outputs = {}
        for i in range(self.library.kvasir_result_count(result)):
            tensor = self.library.kvasir_result_tensor(result, ctypes.c_uint64(i))
            raw = ctypes.string_at(tensor.bytes, tensor.size_bytes)
            outputs[tensor.name.decode()] = np.frombuffer(raw, TYPES[tensor.element]).reshape(tensor.dims[:tensor.rank])
        self.form = FORMS[self.library.kvasir_result_form(result)]
        self.reason = self.library.kvasir_result_reason(result).decode()
        self.library.kvasir_result_free(result)
        return outputs


class State:
    def __init__(self, model, handle=None):
        self.model, self.handle = model, handle or ctypes.c_void_p()
        if not handle:
            model.run("kvasir_state_make", model.handle, None, ctypes.byref(self.handle))

    def __len__(self):
        return self.model.library.kvasir_state_length(self.handle)

    def fork(self):
        branch = ctypes.c_void_p()
        self.model.run("kvasir_state_fork", self.handle, ctypes.byref(branch))
        return State(self.model, branch)

    def save(self, path):
        self.model.run("kvasir_state_save", self.handle, path.encode())

    def truncate(self, length):
        self.model.run("kvasir_state_truncate", self.handle, ctypes.c_uint64(length), None)

    def move_to(self, model):
        moved = ctypes.c_void_p()
        self.model.run("kvasir_state_move", self.handle, model.handle, None, ctypes.byref(moved), None)
        return State(model, moved)

    def rows(self, slot, layer, first=0):
        """Rows [first, length) of one layer: [S, G, D]."""
        about = self.model.slot(slot)
        rows = np.empty((len(self) - first, about["heads"], about["width"]), np.float32)
        self.model.run("kvasir_state_rows", self.handle, slot.encode(), ctypes.c_uint64(layer), ctypes.c_uint64(first),
                       ctypes.c_uint64(len(rows)), ctypes.c_void_p(rows.ctypes.data), ctypes.c_uint64(rows.size))
        return rows

    def register(self, slot, layer):
        """One layer of a register."""
        values = np.empty(self.model.slot(slot)["shape"], np.float32)
        self.model.run("kvasir_state_register", self.handle, slot.encode(), ctypes.c_uint64(layer),
                       ctypes.c_void_p(values.ctypes.data), ctypes.c_uint64(values.size))
        return values
