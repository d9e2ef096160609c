/* The data scanner. step() is the definition: one octet, one switch over the states. clean_length()
 * only skips what step() would pass unchanged, many octets at a time. Compaction has two positions,
 * so its cost does not depend on the number of dots. Faults are kept in `fault`, the first one
 * only; nothing else can fail. */
#include "smtp/server-data.h"

#include <string.h>

#include "base/wide.h"

typedef struct
{
  SmtpData *data;
  const SmtpServerLimits *limits;
  guint8 *bytes;
  gsize length;
  gsize read;    /* next octet to look at */
  gsize written; /* content so far, from the start; never more than `read` */
  gboolean stop; /* give out what is written before going on */
} Cursor;

/* Whether `length` octets need no closer look: no LF without CR, no CR without LF, no dot behind
 * LF. Without a branch in it, and with a constant length, the loop runs on vectors. */
static inline __attribute__ ((always_inline)) gboolean
is_clean (const guint8 *bytes, gsize length)
{
  guint8 found = 0;

  for (gsize i = 0; i < length; i++)
    {
      guint8 here = bytes[i], before = (bytes - 1)[i];
      found |= (guint8) (((here == '\n') ^ (before == '\r')) | ((here == '.') & (before == '\n')));
    }
  return !found;
}

/* How many octets are plain content with true line ends and no dot that begins a line; bytes[-1] is
 * looked at. Never ends behind a CR. */
static BASE_WIDE gsize
clean_length (const guint8 *bytes, gsize length)
{
  gsize n = 0;

  while (length - n >= 256 && is_clean (bytes + n, 256))
    n += 256;
  while (length - n >= 32 && is_clean (bytes + n, 32))
    n += 32;
  while (n < length && is_clean (bytes + n, 1))
    n++;
  return n > 0 && bytes[n - 1] == '\r' ? n - 1 : n;
}

static void
fault (Cursor *c, SmtpFault kind)
{
  if (c->data->fault == SMTP_FAULT_NONE)
    c->data->fault = kind;
  c->stop = TRUE;
}

/* What skip() passes has no dot that begins a line: one that does comes here. */
static void
put (Cursor *c, guint8 octet)
{
  SmtpData *data = c->data;

  data->size++;
  if (data->fault != SMTP_FAULT_NONE)
    return;
  if (c->limits->text_line_length > 0 && data->line >= c->limits->text_line_length)
    {
      fault (c, SMTP_FAULT_LINE_LENGTH);
      return;
    }
  /* Only a newline that was normalised leaves an empty line in this state. */
  data->dots |= octet == '.' && (data->state != SMTP_DATA_IN_LINE || data->line == 0);
  data->line++;
  c->bytes[c->written++] = octet;
}

/* Where there is no room for both octets in front of what is still to be read, they wait for the
 * next call. */
static void
put_newline (Cursor *c)
{
  c->data->size += 2;
  c->data->line = 0;
  if (c->data->fault != SMTP_FAULT_NONE)
    return;
  if (c->written + 2 > c->read)
    {
      c->data->due = TRUE;
      c->stop = TRUE;
      return;
    }
  c->bytes[c->written++] = '\r';
  c->bytes[c->written++] = '\n';
}

static void
put_bare (Cursor *c, SmtpFault kind)
{
  if (c->limits->newlines == SMTP_NEWLINES_NORMALIZE)
    {
      put_newline (c);
      return;
    }
  c->data->size++;
  if (c->data->fault == SMTP_FAULT_NONE)
    fault (c, kind);
}

/* The octet at hand is neither CR nor part of a true newline: content, or a bare LF. */
static SmtpDataState
step_content (Cursor *c, guint8 octet)
{
  if (octet == '\n')
    put_bare (c, SMTP_FAULT_BARE_LF);
  else
    put (c, octet);
  return SMTP_DATA_IN_LINE;
}

/* Behind a CR that is bare unless a LF follows. The octet is read again unless it is a CR too. */
static SmtpDataState
step_behind_bare_cr (Cursor *c, guint8 octet)
{
  if (octet != '\r')
    c->read--;
  put_bare (c, SMTP_FAULT_BARE_CR);
  return octet == '\r' ? SMTP_DATA_AT_CR : SMTP_DATA_IN_LINE;
}

static void
step (Cursor *c)
{
  SmtpData *data = c->data;
  guint8 octet = c->bytes[c->read++];

  switch (data->state)
    {
    case SMTP_DATA_AT_LINE:
      if (octet == '.' && data->mode == SMTP_DATA_DOTTED)
        data->state = SMTP_DATA_AT_DOT;
      else
        data->state = octet == '\r' ? SMTP_DATA_AT_CR : step_content (c, octet);
      break;
    case SMTP_DATA_IN_LINE:
      data->state = octet == '\r' ? SMTP_DATA_AT_CR : step_content (c, octet);
      break;
    case SMTP_DATA_AT_CR:
      data->state = octet == '\n' ? SMTP_DATA_AT_LINE : step_behind_bare_cr (c, octet);
      if (octet == '\n')
        put_newline (c);
      break;
    case SMTP_DATA_AT_DOT:
      data->state = octet == '\r' ? SMTP_DATA_AT_DOT_CR : step_content (c, octet);
      break;
    case SMTP_DATA_AT_DOT_CR:
      data->state = octet == '\n' ? SMTP_DATA_AT_END : step_behind_bare_cr (c, octet);
      c->stop |= data->state == SMTP_DATA_AT_END;
      break;
    case SMTP_DATA_AT_END:
      g_assert_not_reached ();
    }
}

/* How much of a clean run the limit on lines lets pass; keeps count of the last line. A line of at
 * most `most` octets has its LF within `most` + 2, so that one look back from there jumps over many
 * short lines. */
static gsize
within_lines (SmtpData *data, guint64 most, const guint8 *bytes, gsize length)
{
  gsize start = 0;

  if (most == 0)
    {
      data->line = bytes[length - 1] != '\n';
      return length;
    }
  while (start < length)
    {
      guint64 room = most - data->line;
      gsize window = (gsize) MIN (length - start, room + 2);
      const guint8 *last = memrchr (bytes + start, '\n', window);
      if (last == NULL && length - start > room)
        {
          data->line = most;
          return start + (gsize) room;
        }
      data->line = last == NULL ? data->line + (length - start) : 0;
      start = last == NULL ? length : (gsize) (last - bytes) + 1;
    }
  return length;
}

static gboolean
may_skip (const Cursor *c)
{
  guint8 before = c->read == 0 ? 0 : c->bytes[c->read - 1];

  if (c->read == 0)
    return FALSE;
  return c->data->state == SMTP_DATA_AT_LINE
             ? before == '\n'
             : c->data->state == SMTP_DATA_IN_LINE && before != '\r' && before != '\n';
}

/* Takes a clean run as step() would, octet by octet. Returns FALSE if there is none. */
static gboolean
skip (Cursor *c)
{
  SmtpData *data = c->data;
  guint8 *from = c->bytes + c->read;
  gsize clean = clean_length (from, c->length - c->read);
  gsize good = clean;

  if (clean == 0)
    return FALSE;
  if (data->fault == SMTP_FAULT_NONE)
    good = within_lines (data, c->limits->text_line_length, from, clean);
  if (good == 0)
    return FALSE; /* step() finds the fault */
  data->state = from[good - 1] == '\n' ? SMTP_DATA_AT_LINE : SMTP_DATA_IN_LINE;
  data->size += good;
  c->read += good;
  if (data->fault != SMTP_FAULT_NONE)
    return TRUE;
  if (c->bytes + c->written != from)
    memmove (c->bytes + c->written, from, good);
  c->written += good;
  return TRUE;
}

/* Gives out a run of content unless it is over the limit on the message's size; never half a
 * newline. */
static gboolean
give (SmtpData *data, const SmtpServerLimits *limits, SmtpDataRun *run, guint8 *bytes, gsize length)
{
  guint64 room = limits->message_size == 0 ? G_MAXUINT64 : limits->message_size - data->given;

  if (length > room)
    {
      data->fault = SMTP_FAULT_TOO_BIG;
      length = (gsize) room;
      length -= length > 0 && bytes[length - 1] == '\r';
    }
  data->given += length;
  run->bytes = length > 0 ? bytes : NULL;
  run->length = length;
  return length > 0;
}

static gboolean
give_due (SmtpData *data, const SmtpServerLimits *limits, SmtpDataRun *run)
{
  gboolean good = data->due && data->fault == SMTP_FAULT_NONE;

  data->due = FALSE;
  data->newline[0] = '\r';
  data->newline[1] = '\n';
  return good && give (data, limits, run, data->newline, 2);
}

/* One stretch: up to the end of the bytes, or to where content must be given out first. */
static gboolean
scan_stretch (SmtpData *data, const SmtpServerLimits *limits, guint8 *bytes, gsize length,
              SmtpDataRun *run)
{
  gboolean counting = data->fault != SMTP_FAULT_NONE;
  Cursor c = { data, limits, bytes, length, 0, 0, FALSE };

  while (c.read < c.length && !c.stop)
    if (!may_skip (&c) || !skip (&c))
      step (&c);
  run->used += c.read;
  return !counting && give (data, limits, run, bytes, c.written);
}

void
smtp_data_start (SmtpData *data)
{
  memset (data, 0, sizeof *data);
}

void
smtp_data_start_chunks (SmtpData *data, SmtpDataMode mode)
{
  smtp_data_start (data);
  data->mode = mode;
}

static SmtpDataResult
scan_raw (SmtpData *data, const SmtpServerLimits *limits, guint8 *bytes, gsize length,
          SmtpDataRun *run)
{
  run->used = length;
  data->size += length;
  data->dots = TRUE;
  if (length == 0 || data->fault != SMTP_FAULT_NONE)
    return SMTP_DATA_MORE;
  return give (data, limits, run, bytes, length) ? SMTP_DATA_RUN : SMTP_DATA_MORE;
}

SmtpDataResult
smtp_data_finish (SmtpData *data, const SmtpServerLimits *limits, SmtpDataRun *run)
{
  Cursor c = { data, limits, NULL, 0, 0, 0, FALSE };

  memset (run, 0, sizeof *run);
  if (data->state == SMTP_DATA_AT_CR)
    put_bare (&c, SMTP_FAULT_BARE_CR);
  data->state = SMTP_DATA_AT_END;
  return give_due (data, limits, run) ? SMTP_DATA_RUN : SMTP_DATA_END;
}

SmtpDataResult
smtp_data_scan (SmtpData *data, const SmtpServerLimits *limits, guint8 *bytes, gsize length,
                SmtpDataRun *run)
{
  memset (run, 0, sizeof *run);
  if (data->mode == SMTP_DATA_RAW)
    return scan_raw (data, limits, bytes, length, run);
  while (TRUE)
    {
      if (give_due (data, limits, run))
        return SMTP_DATA_RUN;
      if (data->state == SMTP_DATA_AT_END)
        return SMTP_DATA_END;
      if (run->used == length)
        return SMTP_DATA_MORE;
      if (scan_stretch (data, limits, bytes + run->used, length - run->used, run))
        return SMTP_DATA_RUN;
    }
}
