# Writes the header that says which build this is: the template with KVASIR_INTERFACE, a digest of what backends include.
# cmake -DHEADERS=file,… -DVERSION=text -DBUILD=text -DTEMPLATE=file -DOUTPUT=file -P write_build_id.cmake
set(digests "")
string(REPLACE "," ";" headers "${HEADERS}")
foreach(header IN LISTS headers)
  file(SHA256 ${header} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digests "${digests}")
string(SUBSTRING ${digests} 0 12 KVASIR_INTERFACE)
configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
file(TOUCH_NOCREATE ${OUTPUT})  # later than the headers, or ninja would ask again
