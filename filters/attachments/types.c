/* Families of extensions and types that are all the same to a mail program or to libmagic. What is
 * in no family says nothing and fits to everything. */
#include "types.h"

#include <string.h>

#include "text.h"

typedef enum
{
  UNKNOWN,
  PROGRAM,
  PDF,
  IMAGE,
  SOUND,
  VIDEO,
  ZIP,
  OLE,
  RTF,
  PACKED,
  PAGE,
  TEXT
} Family;

typedef struct
{
  Family family;
  const char *extensions; /* space before and behind each */
  const char *types;      /* globs, separated by spaces */
} Row;

static const Row rows[] = {
  { PROGRAM, " exe dll scr com cpl sys ocx msi so elf ",
    "application/x-dosexec application/x-msdownload application/x-executable "
    "application/x-sharedlib application/x-pie-executable application/x-mach-binary "
    "application/vnd.microsoft.portable-executable application/x-ms-dos-executable" },
  { PDF, " pdf ", "application/pdf application/x-pdf" },
  { IMAGE, " png jpg jpeg jpe jfif gif bmp tif tiff webp ico heic heif avif psd ", "image/*" },
  { SOUND, " mp3 wav ogg oga flac m4a wma aac amr mid opus ", "audio/*" },
  { VIDEO, " mp4 m4v mov avi mkv webm mpg mpeg wmv 3gp flv ", "video/*" },
  { ZIP,
    " zip jar war ear apk xpi docx docm dotx dotm xlsx xlsm xltx xltm xlsb xlam pptx pptm potx "
    "potm ppsx ppsm ppam odt ods odp odg odf ott ots otp epub vsdx xps kmz pages numbers key ",
    "application/zip application/x-zip* application/java-archive application/epub+zip "
    "application/vnd.openxmlformats* application/vnd.oasis.opendocument* *macroenabled.12 "
    "application/vnd.ms-*.12 application/vnd.android.package-archive" },
  { OLE, " doc dot xls xlt xla ppt pps pot msg mpp vsd pub ",
    "application/msword application/vnd.ms-excel application/vnd.ms-powerpoint "
    "application/vnd.ms-office application/vnd.ms-outlook application/x-ole-storage "
    "application/cdfv2* application/vnd.visio application/vnd.ms-project" },
  { RTF, " rtf ", "text/rtf application/rtf text/richtext" },
  { PACKED, " 7z rar tar tgz gz bz2 xz zst cab iso lzh lha ",
    "application/x-7z-compressed application/*rar* application/x-tar application/gzip "
    "application/x-gzip application/x-bzip2 application/x-xz application/zstd "
    "application/vnd.ms-cab-compressed application/x-iso9660-image application/x-lzh*" },
  { PAGE, " html htm xhtml shtml hta svg ", "text/html application/xhtml+xml image/svg+xml" },
  { TEXT, " txt log csv asc ", "text/plain text/csv" },
};

static gboolean
matches (const char *globs, const char *type)
{
  g_auto (GStrv) list = g_strsplit (globs, " ", -1);

  for (guint i = 0; list[i] != NULL; i++)
    if (g_pattern_match_simple (list[i], type))
      return TRUE;
  return FALSE;
}

static Family
family_of_type (const char *type)
{
  g_autofree char *folded = g_ascii_strdown (type, -1);

  if (strcmp (folded, "image/svg+xml") == 0) /* it holds scripts */
    return PAGE;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (matches (rows[i].types, folded))
      return rows[i].family;
  return UNKNOWN;
}

static Family
family_of_name (const char *name)
{
  g_autofree char *folded = text_fold (name);
  g_autofree char *word = NULL;
  const char *dot;

  g_strchomp (folded);
  dot = strrchr (folded, '.');
  if (dot == NULL || strchr (dot, ' ') != NULL)
    return UNKNOWN;
  word = g_strdup_printf (" %s ", dot + 1);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strstr (rows[i].extensions, word) != NULL)
      return rows[i].family;
  return UNKNOWN;
}

/* Pairs that are no lie: Word opens RTF and HTML called .doc, an encrypted .docx is OLE, a sound is
 * in a video's container. */
static gboolean
fits (Family said, Family found)
{
  if (said == found || said == UNKNOWN || found == UNKNOWN)
    return TRUE;
  switch (found)
    {
    case TEXT: /* what libmagic says of anything without a mark */
      return TRUE;
    case RTF:
    case PAGE:
      return said == OLE || said == TEXT || said == RTF || said == PAGE;
    case OLE:
      return said == ZIP || said == PROGRAM; /* an installation package is OLE too */
    case ZIP:
      return said == OLE;
    case SOUND:
    case VIDEO:
      return said == SOUND || said == VIDEO;
    default:
      return FALSE;
    }
}

char *
types_mismatch (GPtrArray *names, const char *declared, const char *detected)
{
  Family found = family_of_type (detected);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *shown = NULL;

      if (fits (family_of_name (name), found))
        continue;
      shown = text_show (name);
      return g_strdup_printf ("named %s, is %.80s", shown, detected);
    }
  if (declared == NULL || fits (family_of_type (declared), found))
    return NULL;
  return g_strdup_printf ("declared %.60s, is %.80s", declared, detected);
}

gboolean
types_is_archive (const char *type)
{
  static const char *const words[]
      = { "zip",     "rar",          "x-tar",   "7z",           "compress",     "x-xz", "zstd",
          "iso9660", "java-archive", "openxml", "opendocument", "macroenabled", "x-lzh" };

  if (!g_str_has_prefix (type, "application/"))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (type, words[i]) != NULL)
      return TRUE;
  return FALSE;
}
