# What the Tab key offers on a machine with a farm.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force
    Import-Module /opt/NixBuildFarm
    # Completion waits 2 s for Nix and then offers nothing: its first start may take longer on a busy machine.
    $null = Get-NixBuilder
    function Complete([string] $Line) { (TabExpansion2 $Line $Line.Length).CompletionMatches }
}

Describe 'Tab' {
    It 'completes <Line> to <Expected>' -ForEach @(
        @{ Line = 'Get-NixBuilder ru'; Expected = 'ruby' }
        @{ Line = 'Get-NixBuilder -Li'; Expected = '-Live' }
        @{ Line = 'Get-NixBuilder -Live ru'; Expected = 'ruby' }
        @{ Line = 'Set-NixBuilderPolicy kana -Id'; Expected = '-IdentityFile', '-IdleOnly' }
        @{ Line = 'Test-NixBuilder aqu'; Expected = 'aquamarine' }
        @{ Line = 'Invoke-NixDistributedBuild x -Builder ka'; Expected = 'kana' }
        @{ Line = 'Invoke-NixDistributedBuild x -Builder ruby, ka'; Expected = 'kana' }
        @{ Line = 'Invoke-NixDistributedBuild x -ExcludeBuilder ru'; Expected = 'ruby' }
        @{ Line = 'Set-NixBuilderPolicy ka'; Expected = 'kana' }
        @{ Line = 'Copy-NixStorePath ./x -To ru'; Expected = 'ruby' }
        @{ Line = 'Copy-NixStorePath ./x -From ru'; Expected = 'ruby' }
        @{ Line = 'Get-NixBuilder | Where-Object Ar'; Expected = 'Arch' }
        @{ Line = 'Invoke-NixDistributedBuild x | Where-Object LogT'; Expected = 'LogTail' }
        @{ Line = 'Invoke-NixDistributedBuild x -CopyBack R'; Expected = 'Requested' }
    ) {
        (Complete $Line).CompletionText | Sort-Object | Should -Be $Expected
    }

    It 'says more of each builder' {
        foreach ($one in Complete 'Get-NixBuilder ') { $one.ToolTip | Should -Not -Be $one.CompletionText }
    }

    It 'offers the attributes of a file' {
        $file = New-NixFile @{ release = 'echo > $out'; checks = 'echo > $out' }
        (Complete "Invoke-NixDistributedBuild -Path $file -Attribute r").CompletionText | Should -Be 'release'
    }

    It 'offers runs and the logs that are there' {
        $name = (Invoke-NixDistributedBuild -Path (New-NixFile @{ logged = 'echo words; echo > $out' }) -InformationAction Ignore).Name
        (Complete "Get-NixBuildLog $($name.Substring(0, $name.Length - 1))").CompletionText | Should -Contain $name
        (Complete 'Get-NixBuild 2').CompletionText | Should -Contain (Get-NixBuild -Last 1).RunId
    }
}
