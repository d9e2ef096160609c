/* Words of a configuration as numbers. A number that does not fit in 63 bits is none. */
#include "config/value.h"

#include <string.h>

typedef struct
{
  const gchar *name;
  gint64 factor;
} Unit;

/* From the smallest on. */
static const Unit size_units[]
    = { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 } };
static const Unit duration_units[]
    = { { "ms", 1 },          { "s", 1000 },         { "m", 60 * 1000 },
        { "h", 3600 * 1000 }, { "d", 86400 * 1000 }, { NULL, 0 } };

/* The digits at the start of `text`; `*rest` is behind them. */
static gboolean
parse_digits (const gchar *text, gint64 *value, const gchar **rest)
{
  guint64 number;
  gchar *end;

  if (!g_ascii_isdigit (text[0]))
    return FALSE;
  number = g_ascii_strtoull (text, &end, 10);
  if (number > G_MAXINT64)
    return FALSE;
  *value = (gint64) number;
  *rest = end;
  return TRUE;
}

static gboolean
parse_with_unit (const Unit *units, const gchar *text, gint64 *value)
{
  const gchar *rest;
  gint64 number;

  if (!parse_digits (text, &number, &rest))
    return FALSE;
  for (; units->name != NULL; units++)
    if (strcmp (units->name, rest) == 0)
      return !__builtin_mul_overflow (number, units->factor, value);
  return FALSE;
}

gboolean
value_parse_integer (const gchar *text, gint64 *value)
{
  gboolean negative = text[0] == '-';
  const gchar *rest;

  if (!parse_digits (negative ? text + 1 : text, value, &rest) || *rest != '\0')
    return FALSE;
  if (negative)
    *value = -*value;
  return TRUE;
}

gboolean
value_parse_size (const gchar *text, gint64 *value)
{
  return parse_with_unit (size_units, text, value);
}

gboolean
value_parse_duration (const gchar *text, gint64 *value)
{
  if (strcmp (text, "0") == 0)
    {
      *value = 0;
      return TRUE;
    }
  return parse_with_unit (duration_units, text, value);
}

gboolean
value_parse_boolean (const gchar *text, gboolean *value)
{
  static const gchar *const words[] = { "false", "true", "no", "yes", "off", "on" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (words[i], text) == 0)
      {
        *value = (i & 1) != 0;
        return TRUE;
      }
  return FALSE;
}

gboolean
value_parse_number (ConfigOptionType type, const gchar *text, gint64 *value)
{
  switch (type)
    {
    case CONFIG_OPTION_INTEGER:
      return value_parse_integer (text, value);
    case CONFIG_OPTION_SIZE:
      return value_parse_size (text, value);
    case CONFIG_OPTION_DURATION:
      return value_parse_duration (text, value);
    default:
      return FALSE;
    }
}

gchar *
value_format_number (ConfigOptionType type, gint64 value)
{
  const Unit *units = type == CONFIG_OPTION_SIZE ? size_units : duration_units;
  const Unit *best = units;

  if (type == CONFIG_OPTION_INTEGER || value == 0)
    return g_strdup_printf ("%" G_GINT64_FORMAT, value);
  for (; units->name != NULL; units++)
    if (value % units->factor == 0)
      best = units;
  return g_strdup_printf ("%" G_GINT64_FORMAT "%s", value / best->factor, best->name);
}
