// What kvasir-compile says of Core ML packages whose functions lose state, and of one that does not.

// RUN: not kvasir-compile %S/../../coreml/packages/toy_kv_BUG_prefill_no_v_write.mlpackage -o %t.kvasir 2>&1 | FileCheck %s --check-prefix=REFUSED
// REFUSED:      toy_kv_BUG_prefill_no_v_write.mlpackage: its functions lose state
// REFUSED-NEXT: function 'prefill', state 'v_cache': no write_state stores it, so no row of it changes; function 'decode' writes it at op 47
// REFUSED-NEXT: function 'prefill', state 'v_cache': slice_update 'v_new' (op 46) computes its new rows [pos, pos + 8) and nothing stores them;

// Scatters are updates as well.
// RUN: not kvasir-compile %S/../../coreml/packages/sc_dropped_prefill_v.mlpackage -o %t.kvasir 2>&1 | FileCheck %s --check-prefix=SCATTERED
// SCATTERED: function 'prefill', state 'v_cache': scatter_along_axis 'new_rows_5' (op 80) computes its new rows [pos, pos + 4) and nothing stores them;

// RUN: not kvasir-compile --report %S/../../coreml/packages/uk_reread_exported.mlpackage/ 2>&1 | FileCheck %s --check-prefix=REVERTED
// REVERTED:      function prefill
// REVERTED-NEXT: kv_cache fp16[4, 2, 16, 4]: read at op 48, 83, 152; written at op 65, 82, 134, 151 [from 0, :, from pos, :]; [from 1, :, from pos, :]
// REVERTED:      error: function 'prefill', state 'kv_cache': write_state at op 151 stores what read_state 'read_state_0' (op 48) read before 3 other write_state (op 65 and 2 more): the rows that they wrote are put back

// RUN: kvasir-compile --report --json %S/../../coreml/packages/toy_kv_prefill_decode.mlpackage | FileCheck %s --check-prefix=CLEAN
// CLEAN: "result": "clean"
// CLEAN: "findings": []

// RUN: not kvasir-compile --report %S/lost_writes.mlir 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: --report is about Core ML packages (.mlpackage)
