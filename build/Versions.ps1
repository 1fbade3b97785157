# Versions: the table of docs/nix-versions.md says what the last test run has found, and nothing else.

$versionTable = "$root/docs/nix-versions.md"
$versionTableBegin = '<!-- from here on written by the tests -->'
$versionTableEnd = '<!-- up to here -->'

# The columns, and the reports of the parts of a test run that make each. The first is this machine's Nix, which all other parts have.
function Get-VersionColumn {
    $farm = 'NixBuildFarm.Farm.Tests'
    $columns = [ordered]@{ $ownNix = @($farmParts.Keys | ForEach-Object { "$results/$farm.$_.xml" }) }
    foreach ($version in $nixVersions.Keys) { $columns[$version] = @("$results/$farm.Nix.$version.xml") }
    $columns
}

# What the tests with a trait Feature came to, by feature: 'yes' where all passed, 'no, REASON' where one was skipped, and 'fails'. Null
# where a report is not there or not whole: such a version was not tested.
function Read-Feature([string[]] $Report) {
    $features = @{}
    foreach ($file in $Report) {
        if (-not (Test-WholeReport $file)) { return $null }
        foreach ($test in [Xml.Linq.XDocument]::Load($file).Descendants('test')) {
            $feature = $test.Descendants('trait') | Where-Object { $_.Attribute('name').Value -eq 'Feature' } | Select-Object -First 1
            if (-not $feature) { continue }
            $name = $feature.Attribute('value').Value
            $found = switch ($test.Attribute('result').Value) {
                'Pass' { 'yes' }
                'Skip' { "no, $($test.Element('reason').Value)" }
                default { 'fails' }
            }
            if ($found -eq 'fails' -or $features[$name] -in $null, 'yes') { $features[$name] = $found }
        }
    }
    $features
}

# The table as it is written now: cells by feature and column.
function Read-VersionTable([string[]] $Line) {
    $rows = @{}
    $cells = @($Line | Where-Object { $_.StartsWith('|') } | ForEach-Object { , @($_.Trim('|').Split('|').Trim()) })
    for ($row = 2; $row -lt $cells.Count; $row++) {
        $rows[$cells[$row][0]] = @{}
        for ($column = 1; $column -lt $cells[0].Count; $column++) { $rows[$cells[$row][0]][$cells[0][$column]] = $cells[$row][$column] }
    }
    $rows
}

# The whole document with the table of the last test run. The column of a version that was not tested stays as it is.
function Get-VersionDocument {
    $text = [IO.File]::ReadAllText($versionTable)
    $begin = $text.IndexOf($versionTableBegin, [StringComparison]::Ordinal) + $versionTableBegin.Length
    $end = $text.IndexOf($versionTableEnd, [StringComparison]::Ordinal)
    if ($begin -lt $versionTableBegin.Length -or $end -lt $begin) { throw "$versionTable has no place for its table." }
    $before = Read-VersionTable $text.Substring($begin, $end - $begin).Split("`n")
    $columns = Get-VersionColumn
    $tested = @{}
    foreach ($column in $columns.Keys) { $tested[$column] = Read-Feature $columns[$column] }
    $known = @($tested.Values | Where-Object { $null -ne $_ })
    if ($known.Count -eq 0) { return $text }
    $lines = @("| Feature | $($columns.Keys -join ' | ') |", "|---$('|---' * $columns.Count)|")
    foreach ($feature in @($known.Keys | Sort-Object -Unique -Culture '')) {
        $cells = foreach ($column in $columns.Keys) {
            $row = $null -eq $tested[$column] ? $before[$feature] : $tested[$column]
            $key = $null -eq $tested[$column] ? $column : $feature
            $row -and $row[$key] ? $row[$key] : 'not tested'
        }
        $lines += "| $feature | $($cells -join ' | ') |"
    }
    $text.Substring(0, $begin) + "`n`n" + ($lines -join "`n") + "`n`n" + $text.Substring($end)
}

# True where the document says what the tests have found; else says what to do, and leaves the document that does beside the results.
function Test-VersionDocument {
    $document = Get-VersionDocument
    if ($document -eq [IO.File]::ReadAllText($versionTable)) { return $true }
    $file = "$results/$([IO.Path]::GetFileName($versionTable))"
    [IO.File]::WriteAllText($file, $document)
    Write-Line "docs/nix-versions.md does not say what the tests have found. What does: $([IO.Path]::GetRelativePath($root, $file))"
    $false
}
