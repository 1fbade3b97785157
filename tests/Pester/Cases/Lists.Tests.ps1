# Machines lists that were misread without a word.
BeforeAll {
    Import-Module "$PSScriptRoot/../FarmSession.psm1" -Force
    Import-Module /opt/NixBuildFarm
}

Describe 'A value that stands in the wrong column' {
    It 'is warned about: <What>' -ForEach @(
        @{
            What = 'a host key among features'
            Line = ('ssh-ng://root@a x86_64-linux - 1 1 kvm ' +
                'c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSU1ZWWFXYWNmQVpqZnYxTjNtTzdQaThnL0NtN3R1eUV0V3N1Y0c3bEZvSGQgYQ==')
        }
        @{ What = 'a feature as key'; Line = 'ssh-ng://root@a x86_64-linux big-parallel' }
        @{ What = 'a blank after a comma'; Line = 'ssh-ng://root@a x86_64-linux, aarch64-linux' }
        @{ What = 'quotes'; Line = 'ssh-ng://root@a x86_64-linux - 1 1 "kvm,big-parallel"' }
        @{ What = 'a semicolon'; Line = 'ssh-ng://root@a x86_64-linux;i686-linux - 1' }
    ) {
        Set-Content "$TestDrive/list" $Line
        $said = @{
            ErrorVariable = 'problem'; ErrorAction = 'SilentlyContinue'; WarningVariable = 'warning'; WarningAction = 'SilentlyContinue'
        }
        $null = Get-NixBuilder -Path "$TestDrive/list" @said
        "$warning $problem" | Should -Match 'list:1|root@a|\ba\b|i686-linux'
    }
}

Describe 'A list of Lix' {
    It 'needs no version, and may be inline: <_>' -ForEach '[machines.a]', 'machines.a = {' {
        $text = if ($_ -match '=') {
            "machines.a = { uri = `"ssh://nix@a`", jobs = 8 }"
        }
        else {
            "[machines.a]`nuri = `"ssh://nix@a`"`njobs = 8"
        }
        Set-Content "$TestDrive/machines.toml" $text
        $builder = Import-NixBuilder "$TestDrive/machines.toml"
        $builder.Name | Should -Be 'a'
        $builder.MaxJobs | Should -Be 8
    }
}

Describe 'A NixOS module that says nothing of SSH' {
    It 'is exported without a warning, since nothing is lost' {
        Set-Content "$TestDrive/module.nix" ('{ nix.distributedBuilds = true; nix.buildMachines = [ { hostName = "x"; ' +
            'system = "x86_64-linux"; } ]; }')
        Import-NixBuilder "$TestDrive/module.nix" |
            Export-NixBuilder -Path "$TestDrive/exported" -WarningVariable warning -WarningAction SilentlyContinue
        "$warning" | Should -BeNullOrEmpty
        Get-Content "$TestDrive/exported" -Raw | Should -Match 'x x86_64-linux'
    }
}

Describe 'Builders in a table of another program' {
    It 'come back from CSV as they went' {
        Get-NixBuilder ruby, kana | Export-Csv "$TestDrive/builders.csv"
        $back = Import-Csv "$TestDrive/builders.csv" | Import-NixBuilder
        $back.Name | Should -Be 'ruby', 'kana'
        $back.MaxJobs | Should -Be (Get-NixBuilder ruby, kana).MaxJobs
        $back.Systems | Should -Be (Get-NixBuilder ruby, kana).Systems
    }
}
