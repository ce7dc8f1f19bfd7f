/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ICU data library without data, for the image: Debian's libxml2 is linked with ICU, whose tables are 30 MB, for
 * encodings that no file of ours has (UTF-8, UTF-16, ASCII and ISO-8859-1 are libxml2's own). Built as the symbol that
 * libicuuc asks for: cc -shared -fPIC -DDATA=icudt72_dat -Wl,-soname,libicudata.so.72
 */
#include <stdint.h>

struct icu_data {
    uint16_t header_size;
    uint8_t magic[2];
    uint16_t info_size, reserved;
    uint8_t big_endian, charset, char_size, reserved_too;
    uint8_t format[4], format_version[4], data_version[4];
    uint8_t padding[8];
    uint32_t entries, no_more;
    uint64_t end;
};

extern const struct icu_data DATA;
const struct icu_data DATA __attribute__((aligned(16))) = {
    .header_size = 32,
    .magic = {0xda, 0x27},
    .info_size = 20,
    .big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
    .char_size = 2,
    .format = {'C', 'm', 'n', 'D'},
    .format_version = {1, 0, 0, 0},
};
