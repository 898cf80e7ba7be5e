/* SPDX-License-Identifier: MIT */
#include "compiler/passes/codegen/freestanding/message.h"

typedef struct cursor {
  char *next, *end;
} cursor;

static void putCharacter(cursor *at, char character) {
  if (at->next < at->end)
    *at->next++ = character;
}

static void putText(cursor *at, const char *text) {
  while (*text)
    putCharacter(at, *text++);
}

static void putNumber(cursor *at, uint64_t number) {
  char digits[20];
  int count = 0;
  do
    digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  while (count)
    putCharacter(at, digits[--count]);
}

static void putSigned(cursor *at, int64_t number) {
  if (number < 0)
    putCharacter(at, '-');
  putNumber(at, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

kv_status kvasir_fail(kvasir_line line, kv_status status, const char *format, const char *name, uint64_t first,
                      uint64_t second) {
  if (!line.text || !line.capacity)
    return status;
  cursor at = {line.text, line.text + line.capacity - 1};
  const uint64_t numbers[2] = {first, second};
  int used = 0;
  for (; *format; ++format) {
    if (*format != '%')
      putCharacter(&at, *format);
    else if (*++format == 's')
      putText(&at, name);
    else if (*format == 'd')
      putSigned(&at, (int64_t)numbers[used++]);
    else
      putNumber(&at, numbers[used++]);
  }
  *at.next = 0;
  return status;
}
