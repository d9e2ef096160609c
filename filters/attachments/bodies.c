/* Bodies of entities: decoded by every reading of their encoding, shown to libmagic, searched for
 * what is encoded in a text, and handed on where they are containers. */
#include <string.h>

#include "ber.h"
#include "contents.h"
#include "decode.h"
#include "inspect.h"
#include "names.h"
#include "types.h"

#define MAX_DETECTED (256 * 1024) /* octets shown to libmagic */
#define INLINE_COST 256           /* octets: that of a name in a text */
#define STEP (64 * 1024)          /* octets between two words to the host of where we are */

static const char *
detect (Inspection *inspection, const guint8 *bytes, gsize length)
{
  if (inspection->magic == NULL || length == 0)
    return NULL;
  if (inspection->detections == 0)
    {
      inspect_spend (inspection, G_MAXSIZE);
      return NULL;
    }
  inspection->detections--;
  return magic_buffer (inspection->magic, bytes, length);
}

const char *
inspect_detect (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length)
{
  const char *type = detect (inspection, bytes, MIN (length, MAX_DETECTED));
  const char *rule = type == NULL ? NULL : rules_match_type (inspection->rules, type);

  if (rule != NULL)
    inspect_find (inspection, CONDITION_DENIED, entity->name, "detected type %s", rule);
  return type;
}

static void
check_type (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length)
{
  const char *type = inspect_detect (inspection, entity, bytes, length);
  g_autofree char *wrong = NULL;

  if (type == NULL)
    return;
  if (inspect_is_attachment (entity) && strcmp (type, "application/octet-stream") != 0
      && !rules_allow_type (inspection->rules, type))
    inspect_find (inspection, CONDITION_DENIED, entity->name,
                  "detected type %s, which is not on the list of what is allowed", type);
  if (!inspect_wants (inspection, CONDITION_MISMATCH))
    return;
  wrong = types_mismatch (entity->names, entity->type, type);
  if (wrong != NULL)
    inspect_find (inspection, CONDITION_MISMATCH, entity->name, "mismatch: %s", wrong);
}

static void
check_uu (Inspection *inspection, const guint8 *line, gsize line_length, gsize rest)
{
  Entity entity = { 0 };
  gsize name, name_length;
  g_autoptr (GPtrArray) names = NULL;

  if (!decode_uu_begin (line, line_length, &name, &name_length)
      || !inspect_spend (inspection, MIN (rest, 2 * MAX_DETECTED)))
    return;
  names = names_read_plain (&inspection->text, (const char *) line + name, name_length);
  inspect_names (inspection, &entity, names, names);
  if (inspect_spend (inspection, rest / 8))
    contents_inspect (inspection, &entity, DECODE_UUENCODE, line, rest, 1);
  if (inspection->magic != NULL)
    {
      g_autoptr (GByteArray) decoded
          = decode_bytes (DECODE_UUENCODE, line, MIN (rest, 2 * MAX_DETECTED), MAX_DETECTED);

      check_type (inspection, &entity, decoded->data, decoded->len);
    }
  inspect_entity_clear (&entity);
}

/* `name` stands at the start of something encoded in a text. */
static void
check_inline_name (Inspection *inspection, const char *name, gsize length)
{
  Entity entity = { 0 };
  g_autoptr (GPtrArray) names = NULL;

  if (!inspect_spend (inspection, length + INLINE_COST))
    return;
  names = names_read_plain (&inspection->text, name, length);
  inspect_names (inspection, &entity, names, names);
  inspect_entity_clear (&entity);
}

/* What stands encoded in a text: uuencode, yEnc, BinHex. */
static void
scan_text (Inspection *inspection, const guint8 *bytes, gsize length)
{
  const guint8 *start = bytes;
  const guint8 *end = bytes + length;
  gint binhex = -1; /* whether the word stands anywhere; not looked for yet */

  while (bytes < end)
    {
      const guint8 *next = memchr (bytes, '\n', (gsize) (end - bytes));
      gsize line = (gsize) ((next == NULL ? end : next) - bytes), name, name_length;
      char hexed[DECODE_BINHEX_NAME + 1];

      if (line > 10 && bytes[0] == 'b')
        check_uu (inspection, bytes, line, (gsize) (end - bytes));
      else if (line > 0 && bytes[0] == '=' && decode_yenc_begin (bytes, line, &name, &name_length))
        check_inline_name (inspection, (const char *) bytes + name, name_length);
      else if (bytes[0] == ':')
        {
          if (binhex < 0)
            binhex = memmem (start, length, "BinHex", 6) != NULL;
          if (binhex > 0 && decode_binhex_name (bytes, (gsize) (end - bytes), hexed))
            check_inline_name (inspection, hexed, strlen (hexed));
        }
      bytes = next == NULL ? end : next + 1;
    }
}

static gboolean
is_mail_name (const char *name)
{
  static const char *const mail_names[] = { ".eml", ".mht", ".mhtml", NULL };

  return name != NULL && rules_is_one_of (mail_names, name);
}

static gboolean
is_nested (const Inspection *inspection, const Entity *entity)
{
  return entity->nested || (inspection->digest && !entity->typed) || is_mail_name (entity->name);
}

/* Entities in a body of which the transfer encoding is undone. */
static void
look_inside (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length,
             guint depth)
{
  if (is_nested (inspection, entity) || entity->pkcs7)
    inspect_loose (inspection, bytes, length, depth + 1);
  if (entity->pkcs7 && inspect_spend (inspection, length))
    {
      g_autoptr (GByteArray) strings = ber_octet_strings (bytes, length);

      inspect_loose (inspection, strings->data, strings->len, depth + 1);
    }
}

static void
check_decoded (Inspection *inspection, const Entity *entity, DecodeEncodings encoding,
               const guint8 *bytes, gsize length, guint depth)
{
  gboolean whole
      = is_nested (inspection, entity) || entity->pkcs7 || entity->text || entity->n_types == 0;
  g_autoptr (GByteArray) decoded = NULL;

  contents_inspect (inspection, entity, encoding, bytes, length, 1);
  if (!whole && inspection->magic == NULL)
    return;
  if (!inspect_spend (inspection, whole ? length : MIN (length, 2 * MAX_DETECTED)))
    return;
  decoded = decode_bytes (encoding, bytes, length, whole ? length : MAX_DETECTED);
  check_type (inspection, entity, decoded->data, decoded->len);
  look_inside (inspection, entity, decoded->data, decoded->len, depth);
  if (whole)
    scan_text (inspection, decoded->data, decoded->len);
}

/* ---- Attachments as such ---- */

static void
check_size (Inspection *inspection, const Entity *entity, guint encodings, const guint8 *bytes,
            gsize length)
{
  guint64 most = inspection->limits->attachment;
  gboolean base64 = (encodings & DECODE_BASE64) != 0;
  g_autoptr (Source) source = NULL;

  if (most == 0 || length <= most || !inspect_wants (inspection, CONDITION_TOO_LARGE))
    return;
  source = source_new (base64 ? DECODE_BASE64 : DECODE_IDENTITY, bytes, length);
  if (source_size (source) > most)
    inspect_find (inspection, CONDITION_TOO_LARGE, entity->name,
                  "too-large: more than %" G_GUINT64_FORMAT " octets", most);
}

static void
check_attachment (Inspection *inspection, const Entity *entity, guint encodings,
                  const guint8 *bytes, gsize length)
{
  const Limits *limits = inspection->limits;

  if (limits->attachments > 0 && ++inspection->attachments == limits->attachments + 1)
    inspect_find (inspection, CONDITION_TOO_MANY, entity->name,
                  "too-many: more than %" G_GINT64_FORMAT " attachments", limits->attachments);
  if (rules_has_allowed_names (inspection->rules) && entity->name == NULL)
    inspect_find (inspection, CONDITION_DENIED, NULL, "no name on the list of what is allowed");
  if (entity->type != NULL && strcmp (entity->type, "application/octet-stream") != 0
      && !rules_allow_type (inspection->rules, entity->type))
    inspect_find (inspection, CONDITION_DENIED, entity->name,
                  "type %.60s, which is not on the list of what is allowed", entity->type);
  check_size (inspection, entity, encodings, bytes, length);
}

gboolean
inspect_is_attachment (const Entity *entity)
{
  return entity->attachment || entity->name != NULL
         || !(entity->text || entity->nested || entity->n_types == 0);
}

static gboolean
has_inner_padding (Inspection *inspection, const guint8 *bytes, gsize length)
{
  const guint8 *end = bytes + length;

  while (end - bytes > STEP && memchr (bytes, '=', STEP) == NULL)
    inspect_passed (inspection, bytes += STEP);
  return decode_has_inner_padding (bytes, (gsize) (end - bytes));
}

void
inspect_body (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length,
              guint depth)
{
  guint encodings = entity->encodings == 0 ? DECODE_IDENTITY : entity->encodings;

  if (inspect_is_attachment (entity) && (depth == 0 || entity->hidden))
    check_attachment (inspection, entity, encodings, bytes, length);
  if (length == 0)
    return;
  if ((encodings & DECODE_IDENTITY) != 0 && inspect_spend (inspection, MIN (length, MAX_DETECTED)))
    {
      check_type (inspection, entity, bytes, length);
      contents_inspect (inspection, entity, DECODE_IDENTITY, bytes, length, 1);
      look_inside (inspection, entity, bytes, length, depth);
    }
  if (encodings != DECODE_BASE64) /* nobody reads base64 as a text */
    scan_text (inspection, bytes, length);
  for (guint bit = DECODE_BASE64; bit <= DECODE_UUENCODE; bit <<= 1)
    if ((encodings & bit) != 0)
      check_decoded (inspection, entity, bit, bytes, length, depth);
  if ((encodings & DECODE_BASE64) != 0 && has_inner_padding (inspection, bytes, length))
    check_decoded (inspection, entity, DECODE_BASE64_JOINED, bytes, length, depth);
}
