/* Says what decoded octets are, by their first ones and by the names they go under, and hands them
 * on. Fails only into conditions. */
#include "contents.h"

#include <string.h>

#include "members.h"
#include "ole2.h"
#include "tnef.h"
#include "types.h"

/* Where the first octets do not say it (CD images, programs that unpack themselves), names do. */
static const char *const archive_names[]
    = { ".zip",  ".zipx", ".jar",  ".war", ".ear", ".apk",  ".xpi", ".7z",  ".rar", ".tar",
        ".tgz",  ".tbz",  ".tbz2", ".txz", ".tlz", ".tzst", ".gz",  ".bz2", ".xz",  ".lz",
        ".lzma", ".zst",  ".lz4",  ".z",   ".cab", ".iso",  ".udf", ".xar", ".ar",  ".cpio",
        ".deb",  ".rpm",  ".lha",  ".lzh", ".arj", ".ace",  NULL };
static const char *const document_names[]
    = { ".docx", ".docm", ".dotx", ".dotm", ".xlsx", ".xlsm", ".xltx", ".xltm", ".xlsb",
        ".xlam", ".pptx", ".pptm", ".potx", ".potm", ".ppsx", ".ppsm", ".ppam", ".sldx",
        ".sldm", ".odt",  ".ods",  ".odp",  ".odg",  ".odf",  ".ott",  ".ots",  ".otp",
        ".epub", ".vsdx", ".vsdm", ".xps",  ".oxps", NULL };

gboolean
contents_is_archive_name (const char *name)
{
  return rules_is_one_of (archive_names, name);
}

gboolean
contents_is_document_name (const char *name)
{
  return rules_is_one_of (document_names, name);
}

gboolean
contents_is_image_name (const char *name)
{
  static const char *const image_names[] = { ".img", NULL };

  return rules_is_one_of (image_names, name);
}

gboolean
contents_is_archive (const guint8 *head, gsize length)
{
  static const struct
  {
    gsize offset, length;
    const char *octets;
  } marks[] = {
    { 0, 4, "PK\3\4" },
    { 0, 4, "PK\5\6" },
    { 0, 4, "PK\7\x08" },
    { 0, 8, "PK00PK\3\4" },
    { 0, 6, "7z\xbc\xaf\x27\x1c" },
    { 0, 6, "Rar!\x1a\x07" },
    { 0, 3, "\x1f\x8b\x08" },
    { 0, 2, "\x1f\x9d" },
    { 4, 6, "1AY&SY" }, /* bzip2 */
    { 0, 6, "\xfd\x37zXZ\0" },
    { 0, 4, "\x28\xb5\x2f\xfd" }, /* zstd */
    { 0, 4, "\x04\x22\x4d\x18" }, /* lz4 */
    { 0, 5, "LZIP\1" },
    { 0, 8, "MSCF\0\0\0" },
    { 0, 5, "xar!\0" },
    { 0, 8, "!<arch>\n" },
    { 0, 4, "\xed\xab\xee\xdb" }, /* RPM */
    { 257, 5, "ustar" },
    { 32769, 5, "CD001" }, /* a CD's image, called .img as often as .iso */
    { 32769, 5, "BEA01" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (marks); i++)
    if (length >= marks[i].offset + marks[i].length
        && memcmp (head + marks[i].offset, marks[i].octets, marks[i].length) == 0)
      return TRUE;
  return length > 6 && memcmp (head + 2, "-lh", 3) == 0 && head[6] == '-';
}

static gboolean
is_called_archive (const Entity *entity)
{
  for (guint i = 0; entity->names != NULL && i < entity->names->len; i++)
    if (contents_is_archive_name (g_ptr_array_index (entity->names, i)))
      return TRUE;
  return entity->type != NULL && types_is_archive (entity->type);
}

/* ---- Office files and TNEF ---- */

typedef struct
{
  Inspection *inspection;
  const Entity *entity;
} Told;

static void
take_stream (const char *name, gpointer data)
{
  static const char *const macros[] = { "VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros", NULL };
  Told *told = data;

  for (guint i = 0; macros[i] != NULL; i++)
    if (g_ascii_strcasecmp (name, macros[i]) == 0)
      inspect_find (told->inspection, CONDITION_MACROS, told->entity->name, "macros: %s in it",
                    macros[i]);
  if (g_ascii_strcasecmp (name, "EncryptedPackage") == 0)
    inspect_find (told->inspection, CONDITION_ENCRYPTED, told->entity->name,
                  "encrypted: a document");
}

static void
inspect_ole2 (Inspection *inspection, const Entity *entity, Source *source)
{
  Told told = { inspection, entity };

  if (!ole2_list (source, take_stream, &told))
    inspect_find (inspection, CONDITION_BROKEN_ARCHIVE, entity->name,
                  "broken-archive: an Office file without an end");
}

static void
take_file (const char *name, gpointer data)
{
  Told *told = data;

  inspect_member (told->inspection, told->entity, name, TRUE);
}

static void
inspect_tnef (Inspection *inspection, const Entity *entity, Source *source)
{
  Told told = { inspection, entity };

  inspect_find (inspection, CONDITION_TNEF, entity->name, "tnef");
  if (!tnef_list (source, take_file, &told))
    inspect_find (inspection, CONDITION_BROKEN_ARCHIVE, entity->name, "broken-archive: TNEF");
}

void
contents_inspect (Inspection *inspection, const Entity *entity, DecodeEncodings encoding,
                  const guint8 *bytes, gsize length, gint64 level)
{
  g_autoptr (GByteArray) head = NULL;
  g_autoptr (Source) source = NULL;
  gboolean archive, ole2, tnef;

  if (!inspection->limits->archives || length == 0)
    return;
  /* No encoding makes more of what is shorter. */
  head = decode_bytes (encoding, bytes, length,
                       length < CONTENTS_HEAD ? CONTENTS_NEAR_HEAD : CONTENTS_HEAD);
  ole2 = ole2_is (head->data, head->len);
  tnef = tnef_is (head->data, head->len);
  archive = contents_is_archive (head->data, head->len) || is_called_archive (entity);
  if ((!ole2 && !tnef && !archive) || !inspect_spend (inspection, length))
    return;
  source = source_new (encoding, bytes, length);
  if (ole2)
    inspect_ole2 (inspection, entity, source);
  else if (tnef)
    inspect_tnef (inspection, entity, source);
  else
    members_inspect (inspection, entity, source, level);
}
