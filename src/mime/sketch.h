/* A message's outline, drawn while the guard's scan goes over the message, for as long as whatever
 * reads it can only come to the same: at the first octet that leaves a choice, or that GMime is
 * known to take in its own way, the sketch is thrown away, and GMime is asked. Inside src/mime. */
#pragma once

#include "mime/fields.h"
#include "mime/outline.h"
#include "mime/type.h"

#define MIME_SKETCH_FIELDS 32   /* Content-* fields of one entity */
#define MIME_SKETCH_NAME 100    /* octets of a field's name */
#define MIME_SKETCH_LOOKS 10000 /* "--" that are no delimiters, times boundaries */

/* An open multipart. */
typedef struct
{
  gchar *boundary;
  gsize length;
  guint level;
  gboolean digest;
  guint entity;   /* of the outline */
  gboolean begun; /* it has a part */
} MimeBoundary;

typedef struct
{
  MimeOutline *outline; /* NULL: there is doubt, or nobody wants it */
  const guint8 *bytes;  /* the message */
  GArray *boundaries;   /* of MimeBoundary, innermost last; the guard's */
  guint looks;
  gboolean typed; /* the entity at hand has a Content-Type */
  gboolean open;  /* its body, a leaf's, is being read */
} MimeSketch;

/* Each of these does nothing once there is doubt. */
void mime_sketch_doubt (MimeSketch *sketch);
/* A header block begins. */
void mime_sketch_entity (MimeSketch *sketch);
/* A line of it, with its line end. `name`: the length of a field's name; 0: it is none. */
void mime_sketch_header_line (MimeSketch *sketch, const guint8 *line, const guint8 *end,
                              gsize name);
/* A field of it, with its folds. */
void mime_sketch_field (MimeSketch *sketch, MimeFieldKind kind, const guint8 *field, gsize name,
                        gsize length);
/* What its Content-Type says, before a boundary is opened for it. */
void mime_sketch_type (MimeSketch *sketch, MimeTypeKind kind, const guint8 *boundary, gsize length);
/* It ends with the line that ends at `body`. */
void mime_sketch_body (MimeSketch *sketch, const guint8 *line, const guint8 *body);
/* "--" that opens no line of a body. */
void mime_sketch_dashes (MimeSketch *sketch, const guint8 *dashes, const guint8 *end);
/* A delimiter of the boundary at `index`, behind which `rest` follows. */
void mime_sketch_delimiter (MimeSketch *sketch, guint index, const guint8 *line, const guint8 *rest,
                            const guint8 *end);
/* The message ends at `end`, in a body. */
void mime_sketch_finish (MimeSketch *sketch, const guint8 *end);
