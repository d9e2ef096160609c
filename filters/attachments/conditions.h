/* What can be wrong with a message beside what the lists deny, and how much of an archive is looked
 * at. Each condition has an action of its own; see attachments.c for the options. */
#pragma once

#include <glib.h>

typedef enum
{
  CONDITION_DENIED,          /* deny, deny-types, allow, allow-types */
  CONDITION_UNREADABLE,      /* it takes more than a bounded amount of work to look at */
  CONDITION_ENCRYPTED,       /* contents that nobody can look at */
  CONDITION_ENCRYPTED_NAMES, /* an archive that does not even tell its names */
  CONDITION_ARCHIVE_LIMIT,
  CONDITION_BROKEN_ARCHIVE,
  CONDITION_MACROS,
  CONDITION_MISMATCH,  /* name, declared and detected type do not fit */
  CONDITION_AMBIGUOUS, /* two programs read two messages */
  CONDITION_TNEF,
  CONDITION_TOO_LARGE,
  CONDITION_TOO_MANY,
  N_CONDITIONS
} Condition;

typedef struct
{
  gboolean archives;  /* archives are opened */
  gint64 depth;       /* of archives in archives; the outermost is 1 */
  gint64 members;     /* of all archives of a message */
  guint64 size;       /* octets of all members, unpacked */
  gint64 ratio;       /* unpacked to packed, of one archive */
  gint64 time;        /* milliseconds for all archives of a message */
  guint64 nested;     /* octets of an archive in an archive: it is held in memory */
  guint64 attachment; /* octets of one attachment, decoded; 0: any */
  gint64 attachments; /* 0: any */
} Limits;
