# To be sourced: packages of a newer Debian, where those of this one are missing or too old.
#
#   mirror                         prints where this Debian gets its packages from
#   newer DIR APT-GET-ARGUMENTS    runs apt-get on those packages, in DIR; this Debian's own lists are not touched

mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$' ||
    { echo 'no Debian mirror is configured' >&2; return 1; }
}

newer() {
  local debian
  debian=$(realpath -m "$1")
  shift
  if [ ! -d "$debian/lists" ]; then
    local from
    from=$(mirror) || return 1
    mkdir -p "$debian/cache" "$debian/lists/partial"
    printf 'deb %s trixie main\ndeb %s trixie-backports main\n' "$from" "$from" >"$debian/sources.list"
    newer "$debian" update || { rm -r "$debian/lists"; return 1; }
  fi
  (cd "$debian" && apt-get -q -o Dir::Etc::SourceList="$debian/sources.list" -o Dir::Etc::SourceParts=- \
    -o Dir::State::Lists="$debian/lists" -o Dir::Cache="$debian/cache" -o APT::Sandbox::User=root "$@") \
    >>"$debian/apt.log" 2>&1 || { echo "apt-get failed, see $debian/apt.log" >&2; return 1; }
}
