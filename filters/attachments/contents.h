/* Containers: what kind of thing decoded octets are, and what is wrong with what is in them. */
#pragma once

#include "inspect.h"
#include "source.h"

/* The body of an entity in one reading of its encoding. `level` counts archives in archives, from
 * 1. Finds archives, Office files, TNEF; anything else costs a look at its first octets. */
void contents_inspect (Inspection *inspection, const Entity *entity, DecodeEncodings encoding,
                       const guint8 *bytes, gsize length, gint64 level);

/* Whether what this file name says is an archive, or a document that is one. */
gboolean contents_is_archive_name (const char *name);
gboolean contents_is_document_name (const char *name);
/* Whether it says that octets far behind the first ones would tell. */
gboolean contents_is_image_name (const char *name);
/* Whether octets begin like an archive. `length` as much as is there, up to CONTENTS_HEAD. */
gboolean contents_is_archive (const guint8 *head, gsize length);
#define CONTENTS_NEAR_HEAD 512 /* octets: as far as all marks but those of CD images */
#define CONTENTS_HEAD 32774    /* octets: as far as the mark of ISO 9660 and UDF */
