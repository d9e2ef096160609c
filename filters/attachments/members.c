/* libarchive over a Source. Every call of it is followed by a look at the limits; what is skipped
 * over is read in small blocks wherever skipping means unpacking, so that no single call is long.
 *
 * An archive that can not be read to its end is a condition (broken, encrypted or over a limit),
 * never a harmless archive. */
#include "members.h"

#include <locale.h>
#include <string.h>

#include "contents.h"
#include "zip.h"

#ifdef HAVE_LIBARCHIVE

#include <archive.h>
#include <archive_entry.h>

#define BLOCK (64 * 1024)
#define HEAD (8 * 1024)          /* octets of a member that are looked at in any case */
#define RATIO_FLOOR (16u << 20)  /* octets: below, no ratio is suspicious */
#define UNKNOWN_HEAD 264         /* octets that tell a text from what is none */
#define CONTENT_TYPES (1u << 20) /* octets of [Content_Types].xml that are read */

typedef struct
{
  Inspection *inspection;
  const Entity *entity;
  Source *source;
  gint64 level;
  guint64 at;
  guint8 block[BLOCK];
  struct archive *archive;
  guint64 packed;     /* octets of the source */
  guint64 unpacked;   /* said or seen, whichever is more */
  gint64 seen;        /* members */
  gboolean counted;   /* of the member at hand: its octets */
  gboolean direct;    /* a ZIP file whose members are skipped without unpacking them */
  gboolean streamed;  /* where a member of the ZIP file ends is known once it is unpacked */
  gboolean document;  /* an Office file or the like: allow lists say nothing about its members */
  gboolean encrypted; /* told already */
} Reader;

/* ---- The source, as libarchive wants it ---- */

static la_ssize_t
feed (struct archive *archive, void *data, const void **block)
{
  Reader *reader = data;
  gsize got = source_read (reader->source, reader->at, reader->block, BLOCK);

  reader->at += got;
  *block = reader->block;
  return (la_ssize_t) got;
}

static la_int64_t
skip (struct archive *archive, void *data, la_int64_t request)
{
  Reader *reader = data;
  guint64 before = reader->at;

  reader->at = MIN (reader->at + (guint64) MAX (request, 0), reader->packed);
  return (la_int64_t) (reader->at - before);
}

static la_int64_t
seek (struct archive *archive, void *data, la_int64_t offset, int whence)
{
  Reader *reader = data;
  gint64 base = whence == SEEK_SET   ? 0
                : whence == SEEK_CUR ? (gint64) reader->at
                                     : (gint64) reader->packed;

  if (offset < -base)
    return ARCHIVE_FATAL;
  reader->at = MIN ((guint64) (base + offset), reader->packed);
  return (la_int64_t) reader->at;
}

/* Only what libarchive does itself: some of its filters would start a program. */
static void
add_filters (struct archive *archive)
{
  static int (*const filters[]) (struct archive *)
      = { archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
          archive_read_support_filter_xz,   archive_read_support_filter_lzma,
          archive_read_support_filter_lzip, archive_read_support_filter_zstd,
          archive_read_support_filter_lz4,  archive_read_support_filter_compress,
          archive_read_support_filter_rpm };
  static int usable[G_N_ELEMENTS (filters)]; /* 1: built in, -1: not */

  for (guint i = 0; i < G_N_ELEMENTS (filters); i++)
    {
      if (usable[i] == 0)
        {
          struct archive *probe = archive_read_new ();

          usable[i] = filters[i](probe) == ARCHIVE_OK ? 1 : -1;
          archive_read_free (probe);
        }
      if (usable[i] > 0)
        filters[i](archive);
    }
}

static void
add_formats (struct archive *archive)
{
  archive_read_support_format_7zip (archive);
  archive_read_support_format_ar (archive);
  archive_read_support_format_cab (archive);
  archive_read_support_format_cpio (archive);
  archive_read_support_format_iso9660 (archive);
  archive_read_support_format_lha (archive);
  archive_read_support_format_rar (archive);
  archive_read_support_format_rar5 (archive);
  archive_read_support_format_tar (archive);
  archive_read_support_format_xar (archive);
  archive_read_support_format_zip_seekable (archive);
  archive_read_support_format_zip_streamable (archive);
  archive_read_support_format_raw (archive);
}

/* ---- Limits ---- */

static gboolean
over (Reader *reader, const char *what)
{
  if (!reader->inspection->archives.over)
    inspect_find (reader->inspection, CONDITION_ARCHIVE_LIMIT, reader->entity->name,
                  "archive-limit %s", what);
  reader->inspection->archives.over = TRUE;
  return TRUE;
}

static gboolean
is_over (Reader *reader)
{
  ArchiveUse *use = &reader->inspection->archives;
  const Limits *limits = reader->inspection->limits;

  if (use->over)
    return TRUE;
  if (use->members > limits->members)
    return over (reader, "members");
  if (use->size > limits->size)
    return over (reader, "size");
  if (reader->unpacked > RATIO_FLOOR
      && reader->unpacked / MAX (reader->packed, 1) >= (guint64) limits->ratio)
    return over (reader, "ratio");
  if (g_get_monotonic_time () > use->deadline)
    return over (reader, "time");
  return FALSE;
}

static gboolean
count_octets (Reader *reader, guint64 octets)
{
  ArchiveUse *use = &reader->inspection->archives;

  reader->unpacked += MIN (octets, G_MAXUINT64 / 4 - MIN (reader->unpacked, G_MAXUINT64 / 4));
  use->size += MIN (octets, G_MAXUINT64 / 4 - MIN (use->size, G_MAXUINT64 / 4));
  return !is_over (reader);
}

/* ---- Names from the raw octets ---- */

static void
tell_encrypted (Reader *reader, const char *name)
{
  if (!reader->encrypted)
    inspect_find (reader->inspection, CONDITION_ENCRYPTED, reader->entity->name,
                  "encrypted: %s in it", name);
  reader->encrypted = TRUE;
}

static gboolean
take_zip_name (const ZipMember *member, gpointer data)
{
  Reader *reader = data;

  reader->inspection->archives.members++;
  reader->streamed |= member->streamed;
  if (member->masked)
    inspect_find (reader->inspection, CONDITION_ENCRYPTED_NAMES, reader->entity->name,
                  "encrypted-names");
  if (member->encrypted)
    tell_encrypted (reader, member->name);
  inspect_member (reader->inspection, reader->entity, member->name, FALSE);
  return !is_over (reader);
}

/* A name counts once by its header and once by the directory: twice is allowed here. */
static void
scan_zip (Reader *reader)
{
  ArchiveUse *use = &reader->inspection->archives;
  gint64 before = use->members;

  use->members = 2 * before - reader->inspection->limits->members;
  reader->direct = zip_scan (reader->source, take_zip_name, reader) && !reader->streamed;
  use->members = before;
}

/* ---- Members ---- */

static gboolean
is_broken (Reader *reader, int status)
{
  const char *text = archive_error_string (reader->archive);
  g_autofree char *folded = g_ascii_strdown (text == NULL ? "unknown" : text, -1);
  gboolean crypt = strstr (folded, "crypt") != NULL || strstr (folded, "passphrase") != NULL;

  if (status >= ARCHIVE_WARN)
    return FALSE;
  if (crypt && reader->seen > 0)
    tell_encrypted (reader, "a file");
  else if (crypt)
    inspect_find (reader->inspection, CONDITION_ENCRYPTED_NAMES, reader->entity->name,
                  "encrypted-names");
  else if (!reader->encrypted)
    inspect_find (reader->inspection, CONDITION_BROKEN_ARCHIVE, reader->entity->name,
                  "broken-archive: %.100s", folded);
  return TRUE;
}

/* Appends what is left of the member to `data`, up to `most` octets; NULL: drops all of it. FALSE:
 * an error or a limit. */
static gboolean
read_member (Reader *reader, GByteArray *data, gsize most)
{
  for (;;)
    {
      const void *block;
      size_t length;
      la_int64_t offset;
      int status;

      if (data != NULL && data->len >= most)
        return TRUE;
      status = archive_read_data_block (reader->archive, &block, &length, &offset);
      if (status == ARCHIVE_EOF)
        return TRUE;
      if (is_broken (reader, status) || !count_octets (reader, reader->counted ? 0 : length))
        return FALSE;
      if (data != NULL && length > 0)
        g_byte_array_append (data, block, (guint) length);
    }
}

static void
check_content_types (Reader *reader, const GByteArray *data)
{
  g_autofree char *text = g_ascii_strdown ((const char *) data->data, (gssize) data->len);

  if (strstr (text, "macroenabled") != NULL || strstr (text, "vbaproject") != NULL)
    inspect_find (reader->inspection, CONDITION_MACROS, reader->entity->name,
                  "macros: its content types say so");
}

/* OOXML keeps macros under these names, wherever a relation puts them. */
static void
check_macro_name (Reader *reader, const char *name)
{
  g_autofree char *folded = text_fold (name);

  if (strstr (folded, "vbaproject") != NULL || strstr (folded, "macrosheets/") != NULL
      || g_str_has_prefix (folded, "basic/") || strstr (folded, "/basic/") != NULL)
    inspect_find (reader->inspection, CONDITION_MACROS, reader->entity->name, "macros: %.60s in it",
                  name);
}

static gboolean
is_content_types (const char *name)
{
  return g_ascii_strcasecmp (name, "[Content_Types].xml") == 0;
}

/* A member that is an archive, or may hold macros, by itself. */
static gboolean
look_into (Reader *reader, const char *name, GByteArray *data)
{
  const Limits *limits = reader->inspection->limits;
  Entity inner = { .name = (char *) reader->entity->name };
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  g_ptr_array_add (names, (gpointer) name);
  inner.names = names;
  if (reader->level >= limits->depth)
    return !over (reader, "depth");
  if (!read_member (reader, data, limits->nested + 1))
    return FALSE;
  if (data->len > limits->nested)
    return !over (reader, "nested");
  contents_inspect (reader->inspection, &inner, DECODE_IDENTITY, data->data, data->len,
                    reader->level + 1);
  return !reader->inspection->archives.over;
}

static gboolean
is_container (const char *name, const GByteArray *data)
{
  return contents_is_archive_name (name) || contents_is_document_name (name)
         || contents_is_image_name (name) || contents_is_archive (data->data, data->len);
}

static gboolean
take_data (Reader *reader, const char *name)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();

  if (!read_member (reader, data, is_content_types (name) ? CONTENT_TYPES : HEAD))
    return FALSE;
  if (data->len > 0)
    inspect_detect (reader->inspection, reader->entity, data->data, data->len);
  if (data->len > 0 && is_content_types (name))
    check_content_types (reader, data);
  else if (data->len > 0 && is_container (name, data))
    return look_into (reader, name, data);
  return reader->direct || read_member (reader, NULL, 0);
}

/* In a stream that is packed and no archive, names are told by who packed it, or by its own name:
 * "evil.exe.gz" holds "evil.exe". */
static void
take_outer_names (Reader *reader)
{
  for (guint i = 0; reader->entity->names != NULL && i < reader->entity->names->len; i++)
    {
      g_autofree char *name = g_strdup (g_ptr_array_index (reader->entity->names, i));
      char *dot = strrchr (name, '.');

      if (dot == NULL)
        continue;
      *dot = '\0';
      inspect_member (reader->inspection, reader->entity, name, FALSE);
    }
}

static const char *
name_of (struct archive_entry *entry)
{
  const char *name = archive_entry_pathname_utf8 (entry);

  return name != NULL ? name : archive_entry_pathname (entry);
}

/* FALSE ends the archive. */
static gboolean
take_member (Reader *reader, struct archive_entry *entry)
{
  const char *name = name_of (entry);
  gboolean raw = archive_format (reader->archive) == ARCHIVE_FORMAT_RAW;
  gboolean directory = archive_entry_filetype (entry) == AE_IFDIR;

  reader->seen++;
  reader->inspection->archives.members++;
  if (name == NULL)
    {
      inspect_find (reader->inspection, CONDITION_BROKEN_ARCHIVE, reader->entity->name,
                    "broken-archive: a name that nobody can read");
      name = "";
    }
  if (raw)
    take_outer_names (reader);
  inspect_member (reader->inspection, reader->entity, name,
                  !raw && !directory && !reader->document);
  check_macro_name (reader, name);
  /* What it says is counted where it is not unpacked, and then only little of it is read. */
  reader->counted = reader->direct && archive_entry_size_is_set (entry);
  if (reader->counted)
    count_octets (reader, (guint64) MAX (archive_entry_size (entry), 0));
  if (is_over (reader))
    return FALSE;
  if (archive_entry_is_encrypted (entry))
    {
      tell_encrypted (reader, name);
      return TRUE;
    }
  return directory || take_data (reader, name);
}

/* The format for anything at all is an archive only if something was unpacked for it. */
static gboolean
is_unknown (Reader *reader)
{
  return archive_format (reader->archive) == ARCHIVE_FORMAT_RAW
         && archive_filter_count (reader->archive) < 2;
}

/* Called an archive and in no format that libarchive knows: others may. A text is none. */
static void
tell_unknown (Reader *reader)
{
  guint8 head[UNKNOWN_HEAD];
  gsize length = source_read (reader->source, 0, head, sizeof head);

  for (gsize i = 0; i < length; i++)
    if (head[i] < ' ' && memchr ("\t\r\n\f\033", head[i], 5) == NULL)
      {
        inspect_find (reader->inspection, CONDITION_BROKEN_ARCHIVE, reader->entity->name,
                      "broken-archive: its format is not known");
        return;
      }
}

static gboolean
is_zip (Reader *reader)
{
  return (archive_format (reader->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP
         && archive_filter_count (reader->archive) < 2;
}

static void
take_members (Reader *reader)
{
  struct archive_entry *entry;
  int status;

  while (!is_over (reader)
         && (status = archive_read_next_header (reader->archive, &entry)) != ARCHIVE_EOF)
    {
      if (status == ARCHIVE_RETRY)
        continue;
      if (is_broken (reader, status))
        return;
      if (is_unknown (reader))
        {
          tell_unknown (reader);
          return;
        }
      reader->direct &= is_zip (reader);
      if (!take_member (reader, entry))
        return;
    }
}

static gboolean
is_document (const Entity *entity)
{
  for (guint i = 0; entity->names != NULL && i < entity->names->len; i++)
    if (contents_is_document_name (g_ptr_array_index (entity->names, i)))
      return TRUE;
  return FALSE;
}

gboolean
members_available (void)
{
  return TRUE;
}

/* libarchive converts names by the locale. */
static locale_t
utf8_locale (void)
{
  static locale_t locale;

  if (locale == (locale_t) 0)
    locale = newlocale (LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
  return locale;
}

static void
read_archive (Reader *reader)
{
  locale_t before = uselocale (utf8_locale ());

  reader->archive = archive_read_new ();
  add_filters (reader->archive);
  add_formats (reader->archive);
  archive_read_set_callback_data (reader->archive, reader);
  archive_read_set_read_callback (reader->archive, feed);
  archive_read_set_skip_callback (reader->archive, skip);
  archive_read_set_seek_callback (reader->archive, seek);
  if (!is_broken (reader, archive_read_open1 (reader->archive)))
    take_members (reader);
  archive_read_free (reader->archive);
  uselocale (before);
}

void
members_inspect (Inspection *inspection, const Entity *entity, Source *source, gint64 level)
{
  g_autofree Reader *reader = g_new (Reader, 1);

  *reader = (Reader){ .inspection = inspection, .entity = entity, .source = source };
  reader->level = level;
  reader->document = is_document (entity);
  if (inspection->archives.deadline == 0)
    inspection->archives.deadline = g_get_monotonic_time () + inspection->limits->time * 1000;
  if (is_over (reader))
    return;
  scan_zip (reader);
  reader->packed = source_size (source);
  read_archive (reader);
}

#else

gboolean
members_available (void)
{
  return FALSE;
}

void
members_inspect (Inspection *inspection, const Entity *entity, Source *source, gint64 level)
{
}

#endif
