/* Looks at a message before GMime does, and says which limit it is over. What kills or stalls GMime
 * (deep address groups, absurd parameter names, a million parts, deep nesting, endless fields) is
 * seen here by one linear scan that reads boundaries at least as eagerly as GMime. */
#pragma once

#include "mime/outline.h"

typedef struct
{
  guint64 header_bytes;        /* one header block, of the message or of a part */
  guint64 field_bytes;         /* one field */
  guint fields;                /* of one header block */
  guint64 address_field_bytes; /* From, To, … */
  guint address_colons;        /* in one of them: groups nest in GMime's parser, by recursion */
  guint depth;                 /* nested multiparts and messages */
  guint parts;
} MimeLimits;

#define MIME_LIMITS_DEFAULT                                                                        \
  {                                                                                                \
    1024 * 1024, 64 * 1024, 1000, 32 * 1024, 100, 100, 10000                                       \
  }

#define MIME_MAX_PARAMETER_NAME 60 /* octets; real ones have at most 20 */
#define MIME_MAX_BOUNDARY 1000     /* octets; RFC 2046 allows 70 */
#define MIME_MAX_COMPARISONS                                                                       \
  20000000 /* of a line with a boundary: lines that begin with "--" × depth */

#define MIME_MAX_CONVERSIONS                                                                       \
  4000 /* encoded-words and "name*=" in all parameters: GMime opens a converter for each (padded   \
          ones are counted twice) */

typedef enum
{
  MIME_PROBLEM_NONE,
  MIME_PROBLEM_HEADER_BYTES,
  MIME_PROBLEM_FIELD_BYTES,
  MIME_PROBLEM_FIELDS,
  MIME_PROBLEM_ADDRESS_BYTES,
  MIME_PROBLEM_ADDRESS_COLONS,
  MIME_PROBLEM_NUL, /* in a header field: GMime loses what follows */
  MIME_PROBLEM_DEPTH,
  MIME_PROBLEM_PARTS,
  MIME_PROBLEM_PARAMETER_NAME,
  MIME_PROBLEM_BOUNDARY,
  MIME_PROBLEM_COMPARISONS,
  MIME_PROBLEM_CONVERSIONS
} MimeProblemKind;

typedef struct
{
  MimeProblemKind kind;
  guint64 value; /* at least: counting stops where the limit is passed */
  guint64 limit;
} MimeProblem;

/* Once a process, before anything else of GMime; more calls do nothing. */
void mime_init (void);
/* FALSE and `problem`: the message must not be given to GMime. `mapped`: as for mime_view_new().
 * `*outline` becomes the message's outline if the scan has seen that GMime can only come to the
 * same, else NULL; it points into `bytes`, and the caller frees it. `outline` may be NULL. */
gboolean mime_guard_check (const guint8 *bytes, gsize length, gboolean mapped,
                           const MimeLimits *limits, MimeOutline **outline, MimeProblem *problem);
/* Only the message's own header block, for chains that do not see the body. */
gboolean mime_guard_check_headers (const guint8 *bytes, gsize length, const MimeLimits *limits,
                                   MimeProblem *problem);
/* "message has more than 10000 parts (limit parts)": names the limit as the configuration does.
 * Caller frees. */
gchar *mime_problem_text (const MimeProblem *problem);
