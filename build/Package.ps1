# Package: what Install-PSResource takes from a folder.

function Invoke-Package {
    Invoke-Build
    $folder = "$out/package"
    New-EmptyFolder $folder
    $manifest = [scriptblock]::Create([IO.File]::ReadAllText("$root/NixBuildFarm.psd1")).InvokeReturnAsIs()
    $note = Get-ReleaseNote
    [IO.File]::WriteAllText("$folder/NixBuildFarm.nuspec", (ConvertTo-Nuspec $manifest $note $folder))
    [IO.File]::WriteAllText("$folder/NixBuildFarm.psd1", (Get-ManifestText $note))
    Invoke-Checked dotnet @(
        'pack', "$root/src/NixBuildFarm/NixBuildFarm.csproj", '--configuration', 'Release', '--no-build', '--nologo', '--verbosity', 'quiet'
        '--output', $folder, "-p:NuspecFile=$folder/NixBuildFarm.nuspec", "-p:NuspecBasePath=$out/NixBuildFarm"
        '-p:NoWarn=NU5100%3bNU5110%3bNU5111%3bNU5128'
    )
    [IO.File]::Delete("$folder/NixBuildFarm.nuspec")
    [IO.File]::Delete("$folder/NixBuildFarm.psd1")

    # What was made is what is tried: unpacked, and imported by another process.
    $package = "$folder/NixBuildFarm.$($manifest.ModuleVersion).nupkg"
    $trial = "$out/package-trial/NixBuildFarm"
    New-EmptyFolder $trial
    [IO.Compression.ZipFile]::ExtractToDirectory($package, $trial)
    $code = Invoke-PowerShell '-File', "$root/build/Test-Package.ps1", $trial, $manifest.CmdletsToExport.Count
    if ($code -ne 0) { throw "The package does not work: its trial failed with exit code $code." }
    Write-Line $package
    Write-Line ("Install it: Register-PSResourceRepository -Name NixBuildFarm -Uri $folder -Trusted; " +
        'Install-PSResource NixBuildFarm -Repository NixBuildFarm')
}

# The newest part of the changelog, as plain text.
function Get-ReleaseNote {
    $match = [regex]::Match([IO.File]::ReadAllText("$root/CHANGELOG.md"), '(?ms)^## [^\n]*\n+(.*?)(?=^## |\z)')
    if (-not $match.Success) { throw 'CHANGELOG.md has no part to make release notes of.' }
    $match.Groups[1].Value.Trim()
}

# The manifest with the release notes in it: Get-InstalledPSResource shows what the manifest says.
function Get-ManifestText([string] $ReleaseNote) {
    $line = [regex]::new("(?m)^( *ReleaseNotes += )'.*'$")
    $text = [IO.File]::ReadAllText("$root/NixBuildFarm.psd1")
    if ($line.Matches($text).Count -ne 1) { throw 'NixBuildFarm.psd1 has no line for the release notes.' }
    $quoted = "'" + $ReleaseNote.Replace("'", "''") + "'"
    $line.Replace($text, { $args[0].Groups[1].Value + $quoted })
}

# What NuGet is told of the module. Its files are those of the layout, but for the manifest, which is in FOLDER.
function ConvertTo-Nuspec([hashtable] $Manifest, [string] $ReleaseNote, [string] $Folder) {
    $text = { param($Value) [Security.SecurityElement]::Escape($Value) }
    $commands = ($Manifest.CmdletsToExport | ForEach-Object { "PSCmdlet_$_ PSCommand_$_" }) -join ' '
    @"
<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2011/10/nuspec.xsd">
  <metadata>
    <id>NixBuildFarm</id>
    <version>$($Manifest.ModuleVersion)</version>
    <authors>$(& $text $Manifest.Author)</authors>
    <copyright>$(& $text $Manifest.Copyright)</copyright>
    <description>$(& $text $Manifest.Description)</description>
    <releaseNotes>$(& $text $ReleaseNote)</releaseNotes>
    <license type="expression">MIT</license>
    <tags>PSModule PSEdition_Core $commands $($Manifest.PrivateData.PSData.Tags -join ' ')</tags>
  </metadata>
  <files>
    <file src="**/*" exclude="NixBuildFarm.psd1" />
    <file src="$Folder/NixBuildFarm.psd1" target="" />
  </files>
</package>
"@
}
