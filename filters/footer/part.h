/* Puts a footer into the body of one text part, in the part's own charset and encoding. Bytes in,
 * bytes out. */
#pragma once

#include <glib.h>

typedef enum
{
  PART_IDENTITY,  /* 8bit and binary */
  PART_SEVEN_BIT, /* or nothing said */
  PART_QUOTED,
  PART_BASE64
} PartEncoding;

typedef struct
{
  const char *charset; /* NULL: none is said */
  PartEncoding encoding;
  gboolean html;
  gboolean flowed;
  const char *raw; /* the body as it is encoded */
  gsize raw_length;
  const char *content; /* and decoded */
  gsize content_length;
} Part;

typedef struct
{
  const char *charset;  /* what is to be said now; NULL: as before */
  const char *encoding; /* the same */
  GString *raw;         /* the new body */
} PartChange;

/* `footer` is UTF-8 with LF line ends, HTML for an HTML part. The caller clears the change. FALSE:
 * the part's charset is unknown, or it is not what is in it. */
gboolean part_add (const Part *part, const char *footer, PartChange *change);
void part_change_clear (PartChange *change);
/* The content in UTF-8, in which a NUL may stand; NULL: it is not in its charset. Caller frees. */
char *part_utf8 (const Part *part, gsize *length);
