<#
.SYNOPSIS
    Brings the pages in docs/en-US up to date with the cmdlets: syntax, and the properties of each parameter.
.DESCRIPTION
    What people have written stays as it is. A cmdlet that has no page yet gets one, and a parameter that has no text yet
    gets a heading; what is missing is then said by the tests. Run by `./build.sh docs`, in the engine or in pwsh.
#>
param(
    [Parameter(Mandatory)] [string] $Module,
    [Parameter(Mandatory)] [string] $Folder
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module $Module
$common = [System.Management.Automation.Cmdlet]::CommonParameters
$commonText = @'
### CommonParameters

This cmdlet supports the common parameters: -Debug, -ErrorAction, -ErrorVariable, -InformationAction,
-InformationVariable, -OutBuffer, -OutVariable, -PipelineVariable, -ProgressAction, -Verbose, -WarningAction and
-WarningVariable. For more, see [about_CommonParameters](https://go.microsoft.com/fwlink/?LinkID=113216).
'@.Replace("`r", '')

# The text of a part of the page, without its heading.
function Get-Part([string] $Page, [string] $Heading) {
    $match = [regex]::Match($Page, "(?ms)^## $Heading\n\n?(.*?)(?=^## |\z)")
    if ($match.Success) { $match.Groups[1].Value.Trim() } else { '' }
}

function Get-Syntax($Command) {
    $sets = @($Command.ParameterSets | Where-Object IsDefault) + @($Command.ParameterSets | Where-Object { -not $_.IsDefault })
    $blocks = foreach ($set in $sets) {
        $heading = if ($sets.Count -eq 1) { '' } else { "### $($set.Name)$(if ($set.IsDefault) { ' (Default)' })`n`n" }
        "$heading``````" + "`n$($Command.Name) $set`n" + '```'
    }
    $blocks -join "`n`n"
}

function Get-Property($Command, $Parameter, [string] $DefaultValue) {
    $sets = @($Command.ParameterSets | Where-Object { $_.Parameters.Name -contains $Parameter.Name })
    $one = @($sets[0].Parameters | Where-Object Name -EQ $Parameter.Name)[0]
    $underlying = [Nullable]::GetUnderlyingType($Parameter.ParameterType)
    $type = if ($underlying) { $underlying } else { $Parameter.ParameterType }
    $pipeline = @(if ($one.ValueFromPipelineByPropertyName) { 'ByPropertyName' }) + @(if ($one.ValueFromPipeline) { 'ByValue' })
    $lines = @(
        "Type: $($type.Name)"
        "Parameter Sets: $(if ($sets.Count -eq $Command.ParameterSets.Count) { '(All)' } else { $sets.Name -join ', ' })"
        "Aliases: $($Parameter.Aliases -join ', ')".TrimEnd()
        if ($type.IsEnum) { "Accepted values: $([Enum]::GetNames($type) -join ', ')" }
        ''
        "Required: $($one.IsMandatory)"
        "Position: $(if ($one.Position -lt 0) { 'Named' } else { $one.Position })"
        "Default value: $DefaultValue"
        "Accept pipeline input: $(if ($pipeline) { "True ($($pipeline -join ', '))" } else { 'False' })"
        ("Accept wildcard characters: " +
            "$([bool] ($Parameter.Attributes | Where-Object { $_ -is [System.Management.Automation.SupportsWildcardsAttribute] }))")
    )
    $lines -join "`n"
}

function Get-ParameterText($Command, [string] $Page) {
    $instance = [Activator]::CreateInstance($Command.ImplementingType)
    $names = [string[]] @($Command.Parameters.Keys | Where-Object { -not $common.Contains($_) })
    [Array]::Sort($names, [StringComparer]::Ordinal)
    $blocks = foreach ($name in $names) {
        $old = [regex]::Match($Page, "(?ms)^### -$name\n\n(?<text>.*?)``````yaml\n(?<yaml>.*?)``````")
        $default = [regex]::Match($old.Groups['yaml'].Value, '(?m)^Default value: (.*)$')
        $own = $Command.ImplementingType.GetProperty($name)
        $value = if ($default.Success) { $default.Groups[1].Value.Trim() }
                 elseif ($own -and "$($own.GetValue($instance))") { "$($own.GetValue($instance))" }
                 else { 'None' }
        $text = $old.Groups['text'].Value.Trim()
        "### -$name`n`n$(if ($text) { "$text`n`n" })``````yaml`n$(Get-Property $Command $Command.Parameters[$name] $value)`n``````"
    }
    if ($instance -is [IDisposable]) { $instance.Dispose() }
    $blocks -join "`n`n"
}

function Get-TypeText([string] $Page, [string] $Heading, [type[]] $Types) {
    $old = Get-Part $Page $Heading
    if ($old) { return $old }
    $headings = $Types | ForEach-Object { "### $($_.FullName)" }
    $headings -join "`n`n"
}

foreach ($command in Get-Command -Module NixBuildFarm) {
    $name = $command.Name
    $file = "$Folder/$name.md"
    $old = if ([IO.File]::Exists($file)) { [IO.File]::ReadAllText($file) } else { '' }
    $head = [regex]::Match($old, '(?s)\A---\n.*?\n---\n').Value
    if (-not $head) {
        $head = "---`nexternal help file: NixBuildFarm.dll-Help.xml`nModule Name: NixBuildFarm`nonline version:`nschema: 2.0.0`n---`n"
    }
    $parts = @(
        "# $name"
        '## SYNOPSIS'; Get-Part $old 'SYNOPSIS'
        '## SYNTAX'; Get-Syntax $command
        '## DESCRIPTION'; Get-Part $old 'DESCRIPTION'
        '## EXAMPLES'; Get-Part $old 'EXAMPLES'
        '## PARAMETERS'; Get-ParameterText $command $old
        $commonText
        $piped = @($command.ParameterSets | ForEach-Object { $_.Parameters } | Where-Object ValueFromPipeline)
        '## INPUTS'; Get-TypeText $old 'INPUTS' @($piped | ForEach-Object ParameterType)
        '## OUTPUTS'; Get-TypeText $old 'OUTPUTS' @($command.OutputType | ForEach-Object Type)
        '## NOTES'; Get-Part $old 'NOTES'
        '## RELATED LINKS'; Get-Part $old 'RELATED LINKS'
    )
    $new = $head + "`n" + (@($parts | Where-Object { $_ }) -join "`n`n") + "`n"
    if ($new -cne $old) {
        [IO.File]::WriteAllText($file, $new)
        "docs/en-US/$name.md"
    }
}
