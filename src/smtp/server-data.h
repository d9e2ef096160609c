/* The data of a message on its way in: finds the end, takes out the dots that were stuffed in,
 * judges every newline and the limits. Works in place in the bytes that it is handed, keeps no byte
 * of them, and may be cut anywhere between two calls.
 *
 *  - Only CR LF . CR LF ends the data, or . CR LF as the first line (RFC 5321 section 4.1.1.4).
 *  - A dot is taken out only where it is the first octet behind a true CR LF (or of the data) and
 * the line goes on (section 4.5.2). Behind a bare newline it is content, and stays.
 *  - A bare CR or LF is a fault, or, when normalised, becomes a CR LF that begins no line for the
 * purpose of the two rules above:
 *    "\n.\r\n" is content. "\r\n.\n" is a stuffed dot before a bare LF: content is CR LF CR LF.
 *  - From the first fault on, bytes are only counted, up to the true end. */
#pragma once

#include <glib.h>

#include "smtp/server.h"

typedef enum
{
  SMTP_DATA_DOTTED, /* DATA: the end is found, dots are taken out */
  SMTP_DATA_PLAIN,  /* BDAT: the caller knows the end, a dot is content; newlines are judged */
  SMTP_DATA_RAW     /* BDAT with BODY=BINARYMIME: octets */
} SmtpDataMode;

typedef enum
{
  SMTP_DATA_AT_LINE, /* behind a true CR LF, or nothing read yet */
  SMTP_DATA_IN_LINE,
  SMTP_DATA_AT_CR,     /* a CR that is held back */
  SMTP_DATA_AT_DOT,    /* a dot that began a line, held back */
  SMTP_DATA_AT_DOT_CR, /* such a dot and a CR */
  SMTP_DATA_AT_END
} SmtpDataState;

typedef struct
{
  guint64 size;  /* octets of content so far, given out or not; a newline that was normalised counts
                    two */
  guint64 given; /* octets given out */
  guint64 line;  /* octets of content in the line so far */
  SmtpDataMode mode;
  SmtpDataState state;
  SmtpFault fault;   /* the first one */
  guint8 newline[2]; /* where the CR LF that is due is given out from */
  guint8 due;  /* a boolean: a CR LF stands to be given out that found no room where it belongs */
  guint8 dots; /* a boolean: so far a line of content may begin with a dot; FALSE: none does */
} SmtpData;

typedef enum
{
  SMTP_DATA_MORE, /* all bytes are used up */
  SMTP_DATA_RUN,  /* a run of content; call again with the bytes that are left */
  SMTP_DATA_END
} SmtpDataResult;

typedef struct
{
  gsize used; /* how many of the bytes are done with; also with MORE and END */
  guint8
      *bytes; /* RUN: content, inside the bytes or inside the SmtpData; valid until the next call */
  gsize length; /* RUN: at least 1 */
} SmtpDataRun;

void smtp_data_start (SmtpData *data); /* DOTTED */
void smtp_data_start_chunks (SmtpData *data, SmtpDataMode mode);
/* `length` may be 0: what is due, or the end, is told all the same. `limits` is the same in all
 * calls for one message. */
SmtpDataResult smtp_data_scan (SmtpData *data, const SmtpServerLimits *limits, guint8 *bytes,
                               gsize length, SmtpDataRun *run);
/* Not DOTTED: all bytes were scanned. RUN as long as content was held back, then END. */
SmtpDataResult smtp_data_finish (SmtpData *data, const SmtpServerLimits *limits, SmtpDataRun *run);
