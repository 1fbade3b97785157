#!/bin/sh
# build.sh [TASK] [ARGUMENT…]: runs build.ps1, in pwsh where it is installed, else in the one that NuGet gives.
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
pwsh=out/pwsh/pwsh.dll
sources='tools/NixBuildFarm.PowerShell Directory.Build.props Directory.Packages.props'
# shellcheck disable=SC2086 # a list of words
if [ ! -e "$pwsh" ] || [ -n "$(find $sources -newer "$pwsh" -type f -print -quit)" ]; then
  dotnet build tools/NixBuildFarm.PowerShell --configuration Release --nologo --verbosity quiet
  touch "$pwsh"
fi
exec dotnet "$pwsh" -NoProfile -File build.ps1 "$@"
