#!/bin/sh
# build.sh [TASK] [ARGUMENT…]: runs build.ps1, in pwsh where it is installed, else in the engine from NuGet.
# Tasks: setup build test fuzz demo bench docs package clean (default: build).
set -eu
cd "$(dirname "$0")"

if command -v pwsh > /dev/null 2>&1; then
  exec pwsh -NoProfile -File build.ps1 "$@"
fi

command -v dotnet > /dev/null 2>&1 || {
  echo "build.sh: needs the .NET SDK named in global.json (https://dot.net), and dotnet on the PATH" >&2
  exit 1
}
# No process is to stay behind.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false DOTNET_NOLOGO=1
host=out/EngineHost/NixBuildFarm.EngineHost.dll
sources='tools/NixBuildFarm.EngineHost Directory.Build.props Directory.Packages.props'
# shellcheck disable=SC2086 # a list of words
if [ ! -e "$host" ] || [ -n "$(find $sources -newer "$host" -type f -print -quit)" ]; then
  dotnet build tools/NixBuildFarm.EngineHost --configuration Release --nologo --verbosity quiet
  touch "$host"
fi
exec dotnet "$host" build.ps1 "$@"
