/* The rules applied to fields and bodies. What is known about an entity comes in as raw bytes only,
 * because a parser has already made a choice where two programs would make two. */
#include "inspect.h"

#include <string.h>

#include "ber.h"
#include "decode.h"
#include "names.h"
#include "strict.h"
#include "text.h"
#include "wild.h"

#define MAX_DETECTED (256 * 1024) /* octets shown to libmagic */
#define MAX_DETECTIONS 10000      /* a message: as many as it may have parts by default */
#define MAX_DEPTH 16              /* of encodings inside encodings */
#define INLINE_COST 256           /* octets: that of a name in a text */
#define MAX_FINDINGS 100
#define MAX_NAMES 50
#define BUDGET_BASE (16 * 1024 * 1024)
#define TEXT_BUDGET_BASE (8 * 1024 * 1024)

static void
finding_free (gpointer data)
{
  Finding *finding = data;

  g_free (finding->name);
  g_free (finding->rule);
  g_free (finding);
}

void
inspect_init (Inspection *inspection, const Rules *rules, magic_t magic, guint64 size)
{
  *inspection = (Inspection){
    .rules = rules, .magic = magic, .budget = 4 * size + BUDGET_BASE, .detections = MAX_DETECTIONS
  };
  text_work_init (&inspection->text, size + TEXT_BUDGET_BASE);
  inspection->visible = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  inspection->findings = g_ptr_array_new_with_free_func (finding_free);
  inspection->names = g_ptr_array_new_with_free_func (g_free);
}

void
inspect_clear (Inspection *inspection)
{
  text_work_clear (&inspection->text);
  g_clear_pointer (&inspection->visible, g_hash_table_unref);
  g_clear_pointer (&inspection->findings, g_ptr_array_unref);
  g_clear_pointer (&inspection->names, g_ptr_array_unref);
}

void
inspect_entity_clear (Entity *entity)
{
  g_clear_pointer (&entity->name, g_free);
}

static void
find (Inspection *inspection, const char *name, const char *kind, const char *rule)
{
  Finding *finding;

  if (inspection->findings->len >= MAX_FINDINGS)
    return;
  finding = g_new0 (Finding, 1);
  finding->name = text_show (name != NULL && *name != '\0' ? name : "without a name");
  finding->rule = g_strdup_printf ("%s %s", kind, rule);
  finding->part = inspection->part;
  g_ptr_array_add (inspection->findings, finding);
}

/* FALSE: it is used up, which is a finding that belongs to no part. */
static gboolean
spend (Inspection *inspection, gsize octets)
{
  if (octets <= inspection->budget)
    {
      inspection->budget -= octets;
      return TRUE;
    }
  if (!inspection->exhausted)
    {
      gpointer part = g_steal_pointer (&inspection->part);

      find (inspection, "message", "limit", "too much to look at");
      inspection->part = part;
    }
  inspection->exhausted = TRUE;
  return FALSE;
}

/* ---- Fields ---- */

static void
note_name (Inspection *inspection, const char *name)
{
  g_autofree char *shown = text_show (name);

  if (inspection->names->len < MAX_NAMES
      && !g_ptr_array_find_with_equal_func (inspection->names, shown, g_str_equal, NULL))
    g_ptr_array_add (inspection->names, g_steal_pointer (&shown));
}

static gboolean
has_suffix (const char *name, const char *suffix)
{
  gsize length = strlen (name), size = strlen (suffix);

  while (length > 0 && (guchar) name[length - 1] <= ' ')
    length--;
  return length >= size && g_ascii_strncasecmp (name + length - size, suffix, size) == 0;
}

static void
check_names (Inspection *inspection, Entity *entity, GPtrArray *names)
{
  if (inspection->text.exhausted)
    spend (inspection, G_MAXSIZE);
  if (names->len > 0 && entity->name == NULL)
    {
      entity->name = g_strdup (g_ptr_array_index (names, 0));
      note_name (inspection, entity->name);
    }
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);

      entity->pkcs7 |= has_suffix (name, ".p7m");
    }
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      const char *rule = rules_match_name (inspection->rules, name);

      if (rule != NULL)
        {
          find (inspection, name, "extension", rule);
          return;
        }
    }
}

/* A field that is not read alike by everybody: what else might somebody make of it? */
static void
check_wild (Inspection *inspection, Entity *entity, const char *text, GPtrArray *pieces)
{
  const char *rule = wild_match (&inspection->text, inspection->rules, text, pieces);

  if (inspection->text.exhausted)
    spend (inspection, G_MAXSIZE);
  if (rule != NULL)
    find (inspection, entity->name, "extension", rule);
}

static void
check_parameters (Inspection *inspection, Entity *entity, const char *value, gsize length)
{
  static const char *const keys[] = { "filename", "name" };
  g_autofree char *text = text_copy (value, length);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  guint before = inspection->findings->len;
  gboolean too_many = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GPtrArray) names
          = names_read (&inspection->text, text, keys[i], pieces, &too_many);

      check_names (inspection, entity, names);
    }
  if (inspection->findings->len == before && strict_check (text) != STRICT_PLAIN)
    check_wild (inspection, entity, text, pieces);
  if (too_many)
    find (inspection, entity->name, "limit", "too many parameters");
}

static void
take_type (Inspection *inspection, Entity *entity, const char *value, gsize length, gboolean check)
{
  g_autofree char *type = rules_type_of (value, length);
  const char *rule = check ? rules_match_type (inspection->rules, type) : NULL;

  entity->n_types++;
  entity->nested |= g_str_has_prefix (type, "message/") || g_str_has_prefix (type, "multipart/");
  entity->text |= g_str_has_prefix (type, "text/") || *type == '\0';
  entity->typed |= strchr (type, '/') != NULL;
  entity->pkcs7 |= strcmp (type, "application/pkcs7-mime") == 0
                   || strcmp (type, "application/x-pkcs7-mime") == 0;
  inspection->digest |= strcmp (type, "multipart/digest") == 0;
  if (rule != NULL)
    find (inspection, entity->name, "type", rule);
}

/* The field as it is found again in raw bytes. */
static char *
field_key (const char *name, const char *value, gsize length)
{
  g_autofree char *copy = text_copy (value, length);

  return g_strconcat (name, ":", g_strstrip (copy), NULL);
}

/* A known field is counted; any other is visible if it is one of those, each of which is met once.
 */
static gboolean
is_visible (Inspection *inspection, const char *name, const char *value, gsize length,
            gboolean known)
{
  g_autofree char *key = field_key (name, value, length);
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (inspection->visible, key));

  if (!known && count == 0)
    return FALSE;
  g_hash_table_insert (inspection->visible, g_steal_pointer (&key),
                       GUINT_TO_POINTER (known ? count + 1 : count - 1));
  return TRUE;
}

void
inspect_field (Inspection *inspection, Entity *entity, const char *name, const char *value,
               gsize length, gboolean known)
{
  static const char *const names[]
      = { "content-type", "content-disposition", "content-transfer-encoding" };
  guint which = 0;
  gboolean check;

  while (which < G_N_ELEMENTS (names) && g_ascii_strcasecmp (name, names[which]) != 0)
    which++;
  if (which == G_N_ELEMENTS (names) || !spend (inspection, length))
    return;
  check = !is_visible (inspection, names[which], value, length, known) || known;
  entity->hidden |= check && !known;
  if (which == 2)
    {
      entity->encodings |= decode_encodings (value, length);
      entity->n_encodings++;
      return;
    }
  if (check)
    check_parameters (inspection, entity, value, length);
  if (which == 0)
    take_type (inspection, entity, value, length, check);
}

/* ---- Bodies ---- */

static const char *
detect (Inspection *inspection, const guint8 *bytes, gsize length)
{
  if (inspection->magic == NULL || length == 0)
    return NULL;
  if (inspection->detections == 0)
    {
      spend (inspection, G_MAXSIZE);
      return NULL;
    }
  inspection->detections--;
  return magic_buffer (inspection->magic, bytes, length);
}

static void
check_detected (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length)
{
  const char *type = detect (inspection, bytes, MIN (length, MAX_DETECTED));
  const char *rule = type == NULL ? NULL : rules_match_type (inspection->rules, type);

  if (rule != NULL)
    find (inspection, entity->name, "detected type", rule);
}

static void
check_uu (Inspection *inspection, const guint8 *line, gsize line_length, gsize rest)
{
  Entity entity = { 0 };
  gsize name, name_length;
  g_autoptr (GPtrArray) names = NULL;

  if (!decode_uu_begin (line, line_length, &name, &name_length)
      || !spend (inspection, MIN (rest, 2 * MAX_DETECTED)))
    return;
  names = names_read_plain (&inspection->text, (const char *) line + name, name_length);
  check_names (inspection, &entity, names);
  if (inspection->magic != NULL)
    {
      g_autoptr (GByteArray) decoded
          = decode_bytes (DECODE_UUENCODE, line, MIN (rest, 2 * MAX_DETECTED), MAX_DETECTED);

      check_detected (inspection, &entity, decoded->data, decoded->len);
    }
  inspect_entity_clear (&entity);
}

/* `name` stands at the start of something encoded in a text. */
static void
check_inline_name (Inspection *inspection, const char *name, gsize length)
{
  Entity entity = { 0 };
  g_autoptr (GPtrArray) names = NULL;

  if (!spend (inspection, length + INLINE_COST))
    return;
  names = names_read_plain (&inspection->text, name, length);
  check_names (inspection, &entity, names);
  inspect_entity_clear (&entity);
}

/* What stands encoded in a text: uuencode, yEnc, BinHex. */
static void
scan_text (Inspection *inspection, const guint8 *bytes, gsize length)
{
  const guint8 *end = bytes + length;
  gboolean binhex = length > 0 && memmem (bytes, length, "BinHex", 6) != NULL;

  while (bytes < end)
    {
      const guint8 *next = memchr (bytes, '\n', (gsize) (end - bytes));
      gsize line = (gsize) ((next == NULL ? end : next) - bytes), name, name_length;
      char hexed[DECODE_BINHEX_NAME + 1];

      if (line > 10 && bytes[0] == 'b')
        check_uu (inspection, bytes, line, (gsize) (end - bytes));
      else if (line > 0 && bytes[0] == '=' && decode_yenc_begin (bytes, line, &name, &name_length))
        check_inline_name (inspection, (const char *) bytes + name, name_length);
      else if (binhex && decode_binhex_name (bytes, (gsize) (end - bytes), hexed))
        check_inline_name (inspection, hexed, strlen (hexed));
      bytes = next == NULL ? end : next + 1;
    }
}

static gboolean
is_mail_name (const char *name)
{
  g_autofree char *folded = name == NULL ? g_strdup ("") : text_fold (name);

  return g_str_has_suffix (folded, ".eml") || g_str_has_suffix (folded, ".mht")
         || g_str_has_suffix (folded, ".mhtml");
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
  if (entity->pkcs7 && spend (inspection, length))
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

  if (!whole && inspection->magic == NULL)
    return;
  if (!spend (inspection, whole ? length : MIN (length, 2 * MAX_DETECTED)))
    return;
  decoded = decode_bytes (encoding, bytes, length, whole ? length : MAX_DETECTED);
  check_detected (inspection, entity, decoded->data, decoded->len);
  look_inside (inspection, entity, decoded->data, decoded->len, depth);
  if (whole)
    scan_text (inspection, decoded->data, decoded->len);
}

void
inspect_body (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length,
              guint depth)
{
  guint encodings = entity->encodings == 0 ? DECODE_IDENTITY : entity->encodings;

  if (length == 0)
    return;
  if ((encodings & DECODE_IDENTITY) != 0 && spend (inspection, MIN (length, MAX_DETECTED)))
    {
      check_detected (inspection, entity, bytes, length);
      look_inside (inspection, entity, bytes, length, depth);
    }
  scan_text (inspection, bytes, length);
  for (guint bit = DECODE_BASE64; bit <= DECODE_UUENCODE; bit <<= 1)
    if ((encodings & bit) != 0)
      check_decoded (inspection, entity, bit, bytes, length, depth);
  if ((encodings & DECODE_BASE64) != 0 && decode_has_inner_padding (bytes, length))
    check_decoded (inspection, entity, DECODE_BASE64_JOINED, bytes, length, depth);
}

/* ---- Hidden entities ---- */

/* The octets of the line at `bytes` without its line break (CRLF, LF or CR), and in `next` with it.
 */
static gsize
line_length (const guint8 *bytes, gsize length, gsize *next)
{
  gsize line = 0;

  while (line < length && bytes[line] != '\n' && bytes[line] != '\r')
    line++;
  *next = line;
  if (*next < length && bytes[*next] == '\r')
    (*next)++;
  if (*next < length && bytes[*next] == '\n')
    (*next)++;
  return line;
}

/* The length of the name of a Content-* field that begins at `line`; 0: none does. */
static gsize
content_name (const guint8 *line, gsize length)
{
  const guint8 *colon;
  gsize end;

  if (length < 12 || g_ascii_strncasecmp ((const char *) line, "content-", 8) != 0)
    return 0;
  colon = memchr (line, ':', MIN (length, 64));
  if (colon == NULL)
    return 0;
  end = (gsize) (colon - line);
  while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
    end--;
  return end;
}

/* The field at `bytes` with its folds. */
static gsize
field_length (const guint8 *bytes, gsize length)
{
  gsize next;

  line_length (bytes, length, &next);
  while (next < length && (bytes[next] == ' ' || bytes[next] == '\t'))
    {
      gsize more;

      line_length (bytes + next, length - next, &more);
      next += more;
    }
  return next;
}

/* Reads the fields from `bytes` to a blank line or a delimiter; how long they are together. */
static gsize
read_fields (Inspection *inspection, Entity *entity, const guint8 *bytes, gsize length)
{
  gsize at = 0;

  while (at < length)
    {
      gsize next;
      gsize line = line_length (bytes + at, length - at, &next);
      gsize name = content_name (bytes + at, line);

      if (line == 0)
        return at + next;
      if (line >= 2 && bytes[at] == '-' && bytes[at + 1] == '-')
        return at;
      next = field_length (bytes + at, length - at);
      if (name > 0)
        {
          g_autofree char *text = g_strndup ((const char *) bytes + at, name);
          const guint8 *colon = memchr (bytes + at, ':', next);
          gsize value = (gsize) (colon + 1 - bytes);

          inspect_field (inspection, entity, text, (const char *) bytes + value, at + next - value,
                         FALSE);
        }
      at += next;
    }
  return at;
}

/* To the next line that might be a delimiter. */
static gsize
body_length (const guint8 *bytes, gsize length)
{
  gsize at = 0;

  while (at < length && !(length - at >= 2 && bytes[at] == '-' && bytes[at + 1] == '-'))
    {
      const guint8 *end = memchr (bytes + at, '\n', length - at);

      at = end == NULL ? length : (gsize) (end + 1 - bytes);
    }
  return at;
}

static gsize
take_entity (Inspection *inspection, const guint8 *bytes, gsize length, guint depth)
{
  Entity entity = { 0 };
  gsize body = read_fields (inspection, &entity, bytes, length);
  gsize rest = body_length (bytes + body, length - body);

  if (entity.encodings == 0)
    entity.encodings = DECODE_IDENTITY;
  if (spend (inspection, rest / 8) && (entity.hidden || entity.encodings != DECODE_IDENTITY))
    {
      entity.nested &= entity.encodings != DECODE_IDENTITY; /* else the scan goes on inside */
      inspect_body (inspection, &entity, bytes + body, rest, depth);
    }
  inspect_entity_clear (&entity);
  return body;
}

void
inspect_loose (Inspection *inspection, const guint8 *bytes, gsize length, guint depth)
{
  if (length == 0 || !spend (inspection, depth > MAX_DEPTH ? G_MAXSIZE : length))
    return;
  for (gsize at = 0; at < length && !inspection->exhausted;)
    {
      gsize next;
      gsize line = line_length (bytes + at, length - at, &next);

      if (content_name (bytes + at, line) > 0)
        next = take_entity (inspection, bytes + at, length - at, depth);
      at += next;
    }
}
