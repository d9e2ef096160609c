/* Words of a configuration as numbers: integers, sizes, durations, booleans; and back, for errors.
 * Each takes the whole word or nothing; FALSE is a word of another form, or a number that is too
 * large. */
#pragma once

#include "config/option.h"

gboolean value_parse_integer (const gchar *text, gint64 *value);
gboolean value_parse_size (const gchar *text, gint64 *value);     /* octets */
gboolean value_parse_duration (const gchar *text, gint64 *value); /* milliseconds */
gboolean value_parse_boolean (const gchar *text, gboolean *value);
/* By the option's type; FALSE for types that are no number. */
gboolean value_parse_number (ConfigOptionType type, const gchar *text, gint64 *value);
/* As it would be written: "25M", "90s". Caller frees. */
gchar *value_format_number (ConfigOptionType type, gint64 value);
