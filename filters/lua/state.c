/* weir.state as bytes: two octets for the length of the rest, then key and value in turn, each a
 * letter and what belongs to it. What does not fit, or is none of the kinds, raises a Lua error;
 * nothing is kept by halves. */
#include "state.h"

#include <string.h>

#include <lauxlib.h>

#define MAX_STATE 65535

enum
{
  TAG_STRING = 's', /* two octets of length, then as many */
  TAG_INTEGER = 'i',
  TAG_FLOAT = 'f',
  TAG_TRUE = 't',
  TAG_FALSE = 'n'
};

typedef struct
{
  guint8 bytes[MAX_STATE];
  gsize used, room;
} Writer;

typedef struct
{
  const guint8 *at, *end;
} Reader;

/* ---- Writing ---- */

static void
put (lua_State *lua, Writer *writer, gconstpointer bytes, gsize length)
{
  if (length > writer->room - writer->used)
    luaL_error (lua, "weir.state does not fit into %d octets", (int) writer->room);
  memcpy (writer->bytes + writer->used, bytes, length);
  writer->used += length;
}

static void
put_tag (lua_State *lua, Writer *writer, guint8 tag)
{
  put (lua, writer, &tag, 1);
}

static void
put_string (lua_State *lua, Writer *writer, int index)
{
  size_t length = 0;
  const char *text = lua_tolstring (lua, index, &length);
  guint16 size = (guint16) length;

  put_tag (lua, writer, TAG_STRING);
  if (length > writer->room)
    luaL_error (lua, "weir.state does not fit into %d octets", (int) writer->room);
  put (lua, writer, &size, sizeof size);
  put (lua, writer, text, length);
}

static void
put_number (lua_State *lua, Writer *writer, int index)
{
  lua_Integer integer = lua_tointeger (lua, index);
  lua_Number number = lua_tonumber (lua, index);
  gboolean whole = lua_isinteger (lua, index);

  put_tag (lua, writer, whole ? TAG_INTEGER : TAG_FLOAT);
  put (lua, writer, whole ? (gconstpointer) &integer : (gconstpointer) &number, 8);
}

static void
put_value (lua_State *lua, Writer *writer, int index)
{
  switch (lua_type (lua, index))
    {
    case LUA_TSTRING:
      put_string (lua, writer, index);
      break;
    case LUA_TNUMBER:
      put_number (lua, writer, index);
      break;
    case LUA_TBOOLEAN:
      put_tag (lua, writer, lua_toboolean (lua, index) ? TAG_TRUE : TAG_FALSE);
      break;
    default:
      luaL_error (lua, "weir.state can not keep a %s", luaL_typename (lua, index));
    }
}

void
state_save (lua_State *lua, int index, guint8 *block, gsize size)
{
  Writer writer = { .room = MIN (size, MAX_STATE) - 2 };
  guint16 length = 0;

  lua_pushnil (lua);
  while (lua_next (lua, index) != 0)
    {
      put_value (lua, &writer, lua_gettop (lua) - 1);
      put_value (lua, &writer, lua_gettop (lua));
      lua_pop (lua, 1);
    }
  length = (guint16) writer.used;
  memset (block, 0, size);
  memcpy (block, &length, 2);
  memcpy (block + 2, writer.bytes, writer.used);
}

/* ---- Reading ---- */

static const guint8 *
take (lua_State *lua, Reader *reader, gsize length)
{
  const guint8 *at = reader->at;

  if (length > (gsize) (reader->end - at))
    luaL_error (lua, "the session's state is damaged");
  reader->at += length;
  return at;
}

static void
push_string (lua_State *lua, Reader *reader)
{
  guint16 size = 0;

  memcpy (&size, take (lua, reader, sizeof size), sizeof size);
  lua_pushlstring (lua, (const char *) take (lua, reader, size), size);
}

static void
push_value (lua_State *lua, Reader *reader)
{
  guint8 tag = *take (lua, reader, 1);
  lua_Integer integer = 0;
  lua_Number number = 0;

  if (tag == TAG_STRING)
    push_string (lua, reader);
  else if (tag == TAG_INTEGER)
    {
      memcpy (&integer, take (lua, reader, 8), 8);
      lua_pushinteger (lua, integer);
    }
  else if (tag == TAG_FLOAT)
    {
      memcpy (&number, take (lua, reader, 8), 8);
      lua_pushnumber (lua, number);
    }
  else if (tag == TAG_TRUE || tag == TAG_FALSE)
    lua_pushboolean (lua, tag == TAG_TRUE);
  else
    luaL_error (lua, "the session's state is damaged");
}

void
state_push (lua_State *lua, const guint8 *block, gsize size)
{
  guint16 length = 0;
  Reader reader = { block + 2, block + 2 };

  memcpy (&length, block, 2);
  if (length > size - 2)
    luaL_error (lua, "the session's state is damaged");
  reader.end += length;
  lua_newtable (lua);
  while (reader.at < reader.end)
    {
      push_value (lua, &reader);
      if (lua_type (lua, -1) == LUA_TNUMBER && lua_tonumber (lua, -1) != lua_tonumber (lua, -1))
        luaL_error (lua, "the session's state is damaged");
      push_value (lua, &reader);
      lua_rawset (lua, -3);
    }
}
