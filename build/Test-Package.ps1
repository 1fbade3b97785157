# Tries an unpacked package: Test-Package.ps1 FOLDER CMDLETS, in a process that has not loaded the module.
param([string] $Folder, [int] $Cmdlets)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module "$Folder/NixBuildFarm.psd1"
if (@(Get-Command -Module NixBuildFarm).Count -ne $Cmdlets) { throw 'The package lacks cmdlets.' }
if ((Get-Module NixBuildFarm).ReleaseNotes.Length -lt 200) { throw 'The package lacks its release notes.' }
if (-not (Get-Help Get-NixBuild).Synopsis.EndsWith('.')) { throw 'The package lacks its help.' }
