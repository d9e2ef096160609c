/* Writing JSON (RFC 8259): the one place that knows how a string is escaped. */
#pragma once

#include "base/buffer.h"

/* Appends `text` as a JSON string, quotes included. `length` in octets; -1: up to the NUL. Any
 * octets may be given: control characters are escaped, and each octet that is not part of valid
 * UTF-8 becomes U+FFFD. */
void base_json_append_string (BaseBuffer *out, const gchar *text, gssize length);
