from algan_ad.cli import main

main()
