/* See terms.h. Version 2 knows neither DATA nor unknown commands, version 3 no DATA: such a milter
 * is never sent any. */
#include "terms.h"

#define SIZES (TERMS_DATA_256K | TERMS_DATA_1M)

void
terms_offer (GByteArray *out)
{
  packet_append_u32 (out, 1 + 3 * sizeof (guint32));
  g_byte_array_append (out, (const guint8 *) "O", 1);
  packet_append_u32 (out, TERMS_VERSION);
  packet_append_u32 (out, TERMS_ACTIONS);
  packet_append_u32 (out, TERMS_STEPS | SIZES);
}

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, text);
  return FALSE;
}

static gboolean
check (const Terms *terms, GError **error)
{
  guint32 actions = terms->actions & ~TERMS_ACTIONS;
  guint32 steps = terms->steps & ~(TERMS_STEPS | SIZES);

  if (terms->version < TERMS_OLDEST || terms->version > TERMS_VERSION)
    return fail (error, "it speaks version %u of the protocol, not %d to %d", terms->version,
                 TERMS_OLDEST, TERMS_VERSION);
  if (actions != 0)
    return fail (error, "it asks for actions that there are not (0x%x)", actions);
  if (steps != 0)
    return fail (error, "it asks for steps of the protocol that there are not (0x%x)", steps);
  return TRUE;
}

static gboolean
read_macros (Packet *rest, const char *const *extras, Terms *terms, GError **error)
{
  while (rest->length > 0)
    {
      guint32 stage = 0;
      const char *list = NULL;

      if (!packet_read_u32 (rest, &stage) || !packet_read_string (rest, &list)
          || stage >= MACROS_STAGES)
        return fail (error, "it asks for macros in a way that makes no sense");
      terms->macros[stage] = macros_parse (list, extras);
    }
  return TRUE;
}

gboolean
terms_read (const Packet *packet, const char *const *extras, Terms *terms, GError **error)
{
  Packet rest = *packet;

  *terms = (Terms){ 0 };
  for (guint i = 0; i < MACROS_STAGES; i++)
    terms->macros[i] = macros_default (i, extras);
  if (packet->command != PACKET_NEGOTIATE || !packet_read_u32 (&rest, &terms->version)
      || !packet_read_u32 (&rest, &terms->actions) || !packet_read_u32 (&rest, &terms->steps))
    return fail (error, "its answer to our offer makes no sense");
  if (!check (terms, error) || !read_macros (&rest, extras, terms, error))
    return FALSE;
  if (terms->version < 4)
    terms->steps |= TERMS_NO_DATA;
  if (terms->version < 3)
    terms->steps |= TERMS_NO_UNKNOWN;
  return TRUE;
}

gsize
terms_data_size (const Terms *terms)
{
  if ((terms->steps & TERMS_DATA_1M) != 0)
    return 1024 * 1024 - 1;
  return (terms->steps & TERMS_DATA_256K) != 0 ? 256 * 1024 - 1 : PACKET_MAX_DATA;
}
