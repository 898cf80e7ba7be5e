// SPDX-License-Identifier: MIT
// What the state means. Element types and layouts are storage: a backend chooses them.
#ifndef KVASIR_DIALECTS_KV_SCHEMA_TD
#define KVASIR_DIALECTS_KV_SCHEMA_TD
include "compiler/dialects/kv/base.td"

def Kv_SchemaOp : Kv_Op<"schema", [Symbol, SymbolTable, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "the state of the model, shared by every entry function";
  let description = [{
    Naming the entries keeps passes from deleting, merging or hiding one: a missing entry is an error, while a
    verifier that asked for public functions would find nothing to check.

    (C1) the body holds kv.cache and kv.register only, at least one.
    (C2) every cache of keys says which layers it `serves`, or none does; no layer of the model is in two lists.

    ```mlir
    kv.schema @llama entries [@forward] {
      kv.cache @k layers(30) heads(3) row(64) rotated(adjacent)
      kv.cache @v layers(30) heads(3) row(64) values(@k)
      kv.register @conv layers(8) tensor<4x64xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefArrayAttr:$entries);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `entries` $entries attr-dict-with-keyword $body";
  let extraClassDeclaration = [{ bool canDiscardOnUseEmpty() { return false; } }];
  let hasRegionVerifier = 1;
}

def Kv_LaneOrder : Kv_Enum<"LaneOrder", "which lanes of a row rope turns together", [
    I32EnumAttrCase<"adjacent", 0>, I32EnumAttrCase<"halves", 1>]>;

def Kv_LayerLists : TypedArrayAttrBase<DenseI64ArrayAttr, "lists of layers">;

def Kv_CacheOp : Kv_Op<"cache", [Symbol, HasParent<"SchemaOp">]> {
  let summary = "one row a token, in each of `layers` layers";
  let description = [{
    A row is [heads, row] numbers. `rotated` says that rows carry the rope phase of their position, and which lanes
    turn together: (2i, 2i + 1) or (i, i + row / 2). `values(@k)` pairs a value cache with its keys. `window(w)` keeps
    the last w rows: in every layer, or in those that `slides` lists; the others keep all. `serves` says which layers of
    the model, by their numbers, attend each stored layer: the first of a list writes it, the others borrow it; layers
    without attention have no number in any list. `by` names the weights that make the rows, one for all layers or one for
    each. What is said here is said twice, here and by the program, so that verify-state can compare.
    For imported programs, `rounds` is the element type to which a stored number is rounded, and
    `from` is the state that the rows came from: its name, what its axes are, how many rows it had. An axis may be several
    digits, the most significant first: "head element". Where the schema has a register of that name, functions that take
    no tokens have the rows in it, and the host sees to it that both are one.

    (C1) layers, heads, row and window are at least 1.
    (C2) `values` names a cache of this schema with as many layers, that is not itself a value cache.
    (C3) `rounds` is a float type.
    (C4) `from` has the axes "row" and "element" once each, and others.
    (C5) `slides` lists layers of this cache, rising, and there is a window.
    (C6) `serves` has a list for each layer, of one number at least, rising; a value cache has none, its keys' holds.
    (C7) `by` names symbols of the module, one or as many as there are layers.

    ```mlir
    kv.cache @k layers(2) heads(3) row(64) window(512) slides([0]) serves([0, 2], [1]) rotated(halves) by([@attn_k])
      rounds(f16) from("k_cache", ["layer", "head", "row", "element"], 2048)
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$layers, I64Attr:$heads, I64Attr:$width,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<DenseI64ArrayAttr>:$slides,
                       OptionalAttr<Kv_LayerLists>:$serves, OptionalAttr<Kv_LaneOrder>:$rotated,
                       OptionalAttr<FlatSymbolRefAttr>:$values, OptionalAttr<FlatSymbolRefArrayAttr>:$by,
                       OptionalAttr<TypeAttr>:$rounds, OptionalAttr<StrAttr>:$origin, OptionalAttr<StrArrayAttr>:$originAxes,
                       OptionalAttr<I64Attr>:$originRows);
  let assemblyFormat = [{
    $sym_name `layers` `(` $layers `)` `heads` `(` $heads `)` `row` `(` $width `)` (`window` `(` $window^ `)`)?
    (`slides` `(` $slides^ `)`)? (`serves` `(` custom<LayerLists>($serves)^ `)`)? (`rotated` `(` $rotated^ `)`)?
    (`values` `(` $values^ `)`)? (`by` `(` $by^ `)`)? (`rounds` `(` $rounds^ `)`)?
    (`from` `(` $origin^ `,` $originAxes `,` $originRows `)`)? attr-dict
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "int64_t":$layers, "int64_t":$heads, "int64_t":$width)>];
  let extraClassDeclaration = [{
    bool canDiscardOnUseEmpty() { return false; }
    /// The last rows that `layer` keeps; none when it keeps all.
    std::optional<int64_t> windowOf(int64_t layer);
    /// The last rows that every layer keeps; none when some layer keeps all.
    std::optional<int64_t> windowOfAll();
  }];
  let hasVerifier = 1;
}

def Kv_RegisterOp : Kv_Op<"register", [Symbol, HasParent<"SchemaOp">]> {
  let summary = "one tensor a layer and sequence, replaced by every call";
  let description = [{
    (C1) layers is at least 1, the content's shape is static.

    ```mlir
    kv.register @conv layers(8) tensor<4x64xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$layers, TypeAttrOf<AnyRankedTensor>:$content);
  let assemblyFormat = "$sym_name `layers` `(` $layers `)` $content attr-dict";
  let extraClassDeclaration = [{ bool canDiscardOnUseEmpty() { return false; } }];
  let hasVerifier = 1;
}

#endif
