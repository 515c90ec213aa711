#!/bin/sh
# Copy programs and the libraries that they load into a folder, from which they run in another image of the same release
# of Debian. The Dockerfile takes `pg_dump` and `pg_restore` out of Postgres' own image with it: Debian has no package of
# them without Perl, and none as new as the server.
#
#   sh carry-programs.sh FOLDER PROGRAM…      FOLDER/bin/PROGRAM starts each; the folder must keep its place
set -eu
folder=$1
shift
mkdir -p "$folder/bin" "$folder/lib" "$folder/programs"
for program; do
    name=${program##*/}
    cp "$program" "$folder/programs/$name"
    ldd "$program" >"$folder/loaded"
    if grep 'not found' "$folder/loaded" >&2; then exit 1; fi
    sed -n 's/.* => \(\/[^ ]*\) (.*/\1/p' "$folder/loaded" | while read -r library; do
        case ${library##*/} in
        # What belongs to the C library must be of the image in which it runs, as the loader is.
        libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.*) ;;
        *) cp -L "$library" "$folder/lib/" ;;
        esac
    done
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$folder/lib" "$folder/programs/$name" >"$folder/bin/$name"
    chmod 755 "$folder/bin/$name"
done
rm "$folder/loaded"
